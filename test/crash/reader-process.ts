import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { CLIENTS } from './overlay.ts';
import type { ReaderTask, Seen } from './reader.ts';

const READER = fileURLToPath(new URL('reader.ts', import.meta.url));

export interface ReadOptions {
  /** Whether the machine started anew: lmdb trusts what was not synced as long as it did not. */
  readonly rebooted: boolean;
}

/** Has shadows opened and read by a fresh process, one after the other. */
export async function readShadows(
  task: ReaderTask,
  { rebooted }: ReadOptions,
): Promise<(Seen | string)[]> {
  const { stdout } = await execa(process.execPath, [READER, JSON.stringify(task)], {
    maxBuffer: 1024 * 1024 * 1024,
    // What lmdb does by itself when the boot id has changed, which it cannot have here.
    env: rebooted ? { LMDB_RESTORE: 'safe' } : {},
  });
  return JSON.parse(stdout) as (Seen | string)[];
}

/** @throws Error when it could not be opened or read. */
export async function readShadow(lower: string, shadow: string, empty: boolean): Promise<Seen> {
  const [seen = 'nothing was read'] = await readShadows(
    { lower, directories: CLIENTS, shadows: [{ shadow }], empty },
    { rebooted: false },
  );
  if (typeof seen === 'string') throw new Error(seen);
  return seen;
}
