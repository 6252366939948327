import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { TestBench } from './image-servers.ts';
import { linesOfDirectory } from './tree-lines.ts';

/** The layer over a copy of the image: whiteouts as the image specification has them, the rest by GNU tar. */
export async function applyLayer(bench: TestBench, image: string, tar: string): Promise<string[]> {
  const copy = await bench.directory();
  execFileSync('cp', ['-a', `${image}/.`, copy]);
  const listing = execFileSync('tar', ['--quoting-style=literal', '-tf', tar], {
    encoding: 'latin1',
  });
  const at = (path: string): Buffer => Buffer.from(`${copy}/${path}`, 'latin1');
  for (const path of listing.split('\n').filter((each) => each !== '')) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const above = path.includes('/') ? dirname(path) : '.';
    if (name === '.wh..wh..opq') rmSync(at(above), { recursive: true, force: true });
    else if (name.startsWith('.wh.'))
      rmSync(at(`${above}/${name.slice(4)}`), { recursive: true, force: true });
    else if (!path.endsWith('/')) rmSync(at(path), { recursive: true, force: true });
  }
  execFileSync('tar', ['-xpf', tar, '-C', copy, '--same-owner', '--exclude=.wh.*'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return linesOfDirectory(copy);
}
