import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { Random } from '../support/random.ts';
import { type CacheCrash, problemsOfCache, readAll } from './cache-judge.ts';
import { CACHE_ROWS, type CacheImages, makeCacheImages, TestedCache } from './cache-rows.ts';
import type { CacheWriterTask } from './cache-writer.ts';
import type { MatrixOptions, MatrixResult } from './matrix.ts';
import { memoryDirectory } from './memory-directory.ts';
import { DiskHistory, DiskImage, type Survivors } from './power-cut.ts';
import { type FileEvent, isLock, readSystemCalls, straceCommand } from './system-call-log.ts';

const WRITER = fileURLToPath(new URL('cache-writer.ts', import.meta.url));

/**
 * Interrupts what changes a block cache at each of its system calls, as matrix.ts does with a shadow. A
 * cache may lose blocks; it must never give a wrong one, never keep space, and open whatever was left.
 */
export async function runCacheMatrix(options: MatrixOptions): Promise<MatrixResult[]> {
  const directory = await mkdtemp(join(tmpdir(), 'rowfs-crash-'));
  const laidOut = await mkdtemp(join(memoryDirectory(), 'rowfs-crash-'));
  try {
    const rows = join(directory, 'rows');
    for (const number of CACHE_ROWS.keys())
      await mkdir(join(rows, String(number)), { recursive: true });
    const images = await makeCacheImages(join(directory, 'images'));
    const task = { images: join(directory, 'images-of-writer'), rows };
    await execa(process.execPath, [WRITER, JSON.stringify({ ...task, prepare: true })]);
    const befores = await Promise.all(
      [...CACHE_ROWS.keys()].map((number) =>
        blocksIn(join(rows, String(number)), directory, images),
      ),
    );
    const disks = [...CACHE_ROWS.keys()].map((number) =>
      DiskImage.read(join(rows, String(number)), isLock),
    );
    const log = await logWriter({ ...task, prepare: false }, join(directory, 'system-calls'));
    const results: MatrixResult[] = [];
    for (const [number, row] of CACHE_ROWS.entries()) {
      const disk = disks[number];
      if (disk === undefined || !row.name.includes(options.only)) continue;
      const events = readSystemCalls(log, join(rows, String(number)), isLock).filter(
        (event) => event.kind !== 'output' || event.text.startsWith(`${number} `),
      );
      const crashes = crashesOf({ ...options, seed: options.seed + number }, disk, events);
      const judged = { row, before: befores[number] ?? [] };
      results.push(await judge(judged, crashes, join(laidOut, 'cache'), images));
    }
    return results.filter(({ disks }) => disks > 0);
  } finally {
    await rm(directory, { recursive: true, force: true });
    await rm(laidOut, { recursive: true, force: true });
  }
}

/** Looks into a copy: opening a cache may change it. */
async function blocksIn(cache: string, directory: string, images: CacheImages): Promise<number[]> {
  const copy = await mkdtemp(join(directory, 'copy-'));
  await cp(cache, copy, { recursive: true });
  const opened = await TestedCache.open(copy, images);
  const here = await readAll(opened);
  await opened.cache.close();
  return [...here];
}

async function logWriter(task: CacheWriterTask, logFile: string): Promise<string> {
  const [command, ...args] = straceCommand(logFile);
  const writer = spawn(command, [...args, process.execPath, WRITER, JSON.stringify(task)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [status] = (await once(writer, 'close')) as [number | null];
  if (status !== 0) throw new Error(`the writer ended with ${status ?? 'a signal'}`);
  return readFile(logFile, 'latin1');
}

interface Crash {
  readonly name: string;
  readonly isPowerCut: boolean;
  readonly stored: readonly number[];
  readonly disk: DiskImage;
}

function* crashesOf(
  { seed, anySurvivors, share }: MatrixOptions,
  before: DiskImage,
  events: readonly FileEvent[],
): Generator<Crash> {
  const random = new Random(seed);
  const history = new DiskHistory(before, events);
  const lines = new Set(events.flatMap(({ begin, end }) => [begin, begin + 1, end + 1]));
  const cuts: readonly Survivors[] = [
    'none',
    'all',
    ...Array.from({ length: anySurvivors }, () => 'any' as const),
  ];
  for (const at of [...lines].sort((a, b) => a - b)) {
    if (!Number.isFinite(at) || random.below(1000) >= share * 1000) continue;
    const stored = events.flatMap((event) =>
      event.kind === 'output' && event.end < at ? numbersIn(event.text) : [],
    );
    const disk = history.diskAfterCrash(at, 'all', random);
    yield { name: `kill -9, at line ${at}`, isPowerCut: false, stored, disk };
    for (const survivors of cuts) {
      const cut = history.diskAfterCrash(at, survivors, random);
      const name = `power cut, ${survivors} of the unsynced survives, at line ${at}`;
      yield { name, isPowerCut: true, stored, disk: cut };
    }
  }
}

/** `ROW NUMBER,NUMBER` */
function numbersIn(line: string): number[] {
  return (line.trim().split(' ')[1] ?? '').split(',').map(Number);
}

async function judge(
  { row, before }: Pick<CacheCrash, 'row' | 'before'>,
  crashes: Iterable<Crash>,
  target: string,
  images: CacheImages,
): Promise<MatrixResult> {
  const result = { operation: row.name, kills: 0, powerCuts: 0, disks: 0, lost: [] as string[] };
  const seen = new Set<string>();
  for (const { name, isPowerCut, stored, disk } of crashes) {
    if (isPowerCut) result.powerCuts += 1;
    else result.kills += 1;
    const known = JSON.stringify([isPowerCut, stored, disk.digest()]);
    if (seen.has(known)) continue;
    seen.add(known);
    result.disks += 1;
    disk.writeTo(target);
    const problems = await problemsOfCache(target, { row, isPowerCut, stored, before }, images);
    for (const problem of problems) result.lost.push(`${row.name}, ${name}: ${problem}`);
    await rm(target, { recursive: true, force: true });
  }
  return result;
}
