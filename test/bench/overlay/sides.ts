import { execFile } from 'node:child_process';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { LocalTask } from './local-work.ts';
import type { NfsTask } from './nfs-work.ts';
import type { Done, Work } from './work.ts';

/** Something that work can be done in. */
export interface Side {
  readonly name: string;
  /** Directory that work with a `parent` is done in, below the side's root. */
  readonly parent: string;
  perform(work: Work): Promise<Done>;
}

const nfsWork = fileURLToPath(new URL('nfs-work.ts', import.meta.url));
const localWork = fileURLToPath(new URL('local-work.ts', import.meta.url));
const run = promisify(execFile);

export function nfsSide(name: string, server: Omit<NfsTask, 'work'>, parent = 'work'): Side {
  const { host, port, mountPort, path } = server;
  return {
    name,
    parent,
    async perform(work) {
      const task: NfsTask = { host, port, mountPort, path, work };
      const { stdout } = await run(process.execPath, [nfsWork, JSON.stringify(task)]);
      return JSON.parse(stdout) as Done;
    },
  };
}

/**
 * The kernel's overlayfs over a directory, mounted in a mount namespace of its own for each piece of
 * work. Needs root. The upper stays from one piece of work to the next, except that `rewrite` gets a
 * fresh one each time: a file is copied up only once.
 */
export async function overlayfsSide(lower: string, directory: string): Promise<Side> {
  const kept = await upperIn(directory);
  return {
    name: 'overlayfs',
    parent: 'work',
    async perform(work) {
      const { upper, scratch, merged } = work.kind === 'rewrite' ? await upperIn(directory) : kept;
      const task: LocalTask = { root: merged, work };
      const options = `lowerdir=${lower},upperdir=${upper},workdir=${scratch}`;
      const script = 'mount -t overlay overlay -o "$1" "$2" && shift 2 && exec "$@"';
      const command = [process.execPath, localWork, JSON.stringify(task)];
      const args = ['-m', 'sh', '-c', script, 'sh', options, merged, ...command];
      const { stdout } = await run('unshare', args);
      return JSON.parse(stdout) as Done;
    },
  };
}

async function upperIn(
  directory: string,
): Promise<{ upper: string; scratch: string; merged: string }> {
  const base = await mkdtemp(join(directory, 'overlayfs-'));
  const [upper, scratch, merged] = [join(base, 'upper'), join(base, 'work'), join(base, 'merged')];
  for (const each of [upper, scratch, merged]) await mkdir(each);
  return { upper, scratch, merged };
}
