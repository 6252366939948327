import { link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CLIENTS } from './overlay.ts';

/** For each client some files, of sizes on and off a block's end, and what else an image has. */
export async function makeImage(lower: string): Promise<void> {
  for (const [index, client] of CLIENTS.entries()) {
    const directory = join(lower, client);
    await mkdir(join(directory, 'directory'), { recursive: true });
    for (const [number, size] of [0, 100, 4096, 12_388, 40_000].entries()) {
      const path = join(directory, number % 2 === 0 ? 'directory' : '', `file-${number}`);
      await writeFile(path, Buffer.alloc(size, `image ${index}.${number} `));
    }
    await link(join(directory, 'file-1'), join(directory, 'second-name'));
    await symlink('file-1', join(directory, 'symlink'));
  }
}
