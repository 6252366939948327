import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { CLIENTS } from './overlay.ts';
import type { ReaderTask, Seen } from './reader.ts';

const READER = fileURLToPath(new URL('reader.ts', import.meta.url));

/** Has shadows opened and read by a fresh process, one after the other. */
export async function readShadows(task: ReaderTask): Promise<(Seen | string)[]> {
  const { stdout } = await execa(process.execPath, [READER, JSON.stringify(task)], {
    maxBuffer: 1024 * 1024 * 1024,
  });
  return JSON.parse(stdout) as (Seen | string)[];
}

/** @throws Error when it could not be opened or read. */
export async function readShadow(lower: string, shadow: string, empty: boolean): Promise<Seen> {
  const task = { lower, directories: CLIENTS, shadows: [{ shadow }], empty };
  const [seen = 'nothing was read'] = await readShadows(task);
  if (typeof seen === 'string') throw new Error(seen);
  return seen;
}
