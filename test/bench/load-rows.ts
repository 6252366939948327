import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { type BenchRow, compareRounds } from './bench-case.ts';
import {
  LARGE_FILE,
  LARGE_FILE_BYTES,
  type LoadResult,
  type LoadTask,
  SMALL_FILES,
} from './nfs-load.ts';

const FILES = 500;

/** One kind of call to be measured on two servers. */
export interface Measured {
  readonly name: string;
  readonly task: Pick<LoadTask, 'kind' | 'readBytes' | 'inFlight'>;
  /** Of what the peer does; without it the row is shown only. */
  readonly target?: number;
}

const operations = ['op/s', ({ calls }: LoadResult): number => calls] as const;
/** What counts, of what each kind of call does in a second. */
const measures = {
  getattr: operations,
  lookup: operations,
  access: operations,
  readdirplus: ['entries/s', ({ entries }: LoadResult): number => entries],
  read: ['MB/s', ({ bytes }: LoadResult): number => bytes / 1e6],
} as const;

export type Target = Pick<LoadTask, 'host' | 'port' | 'mountPort' | 'path'>;

/** How often each side has its turn, and for how long: as long again before that, to be warm. */
export interface RunLength {
  readonly rounds: number;
  readonly seconds: number;
}

/** To see that a case works. */
export const SHORT_RUN: RunLength = { rounds: 1, seconds: 0.3 };

/**
 * What both do, in turn.
 *
 * @param client The program that calls: it takes a LoadTask, and prints a LoadResult.
 */
export async function compareLoads(
  client: string,
  { name, task, target }: Measured,
  ours: Target,
  peer: Target,
  length: RunLength,
): Promise<BenchRow> {
  const { seconds } = length;
  const rounds: { ours: number; peer: number }[] = [];
  const [unit, amountOf] = measures[task.kind];
  const one = async (where: Target): Promise<number> => {
    const { host, port, mountPort, path } = where;
    const argument: LoadTask = { host, port, mountPort, path, ...task, seconds };
    const { stdout } = await execa(process.execPath, [client, JSON.stringify(argument)]);
    const result = JSON.parse(stdout) as LoadResult;
    return amountOf(result);
  };
  for (let round = 0; round < length.rounds; round += 1) {
    // Who goes first changes, so that neither always finds the warmer machine.
    const first = round % 2 === 0 ? ours : peer;
    const a = await one(first);
    const b = await one(first === ours ? peer : ours);
    rounds.push(first === ours ? { ours: a, peer: b } : { ours: b, peer: a });
  }
  return compareRounds(name, unit, rounds, target);
}

/** A directory of small files and a large file, all of random bytes. */
export async function makeLoadTree(tree: string): Promise<void> {
  await mkdir(join(tree, SMALL_FILES), { recursive: true });
  for (let i = 0; i < FILES; i += 1) {
    await writeFile(
      join(tree, SMALL_FILES, `file-${String(i).padStart(4, '0')}`),
      randomBytes(1024),
    );
  }
  await writeFile(join(tree, LARGE_FILE), randomBytes(LARGE_FILE_BYTES));
}
