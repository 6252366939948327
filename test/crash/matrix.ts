import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, mkdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { Random } from '../support/random.ts';
import { problemsAfter, type Told, toldBefore, unansweredCalls } from './matrix-judge.ts';
import { makeMatrixImage, MATRIX, type MatrixRow } from './matrix-rows.ts';
import type { MatrixWriterTask, PreparedTrees } from './matrix-writer.ts';
import { memoryDirectory } from './memory-directory.ts';
import { DiskHistory, DiskImage, type Survivors } from './power-cut.ts';
import { readShadows } from './reader-process.ts';
import { type FileEvent, isLock, readSystemCalls, straceCommand } from './system-call-log.ts';

/** What became of one row. */
interface Tally {
  readonly operation: string;
  kills: number;
  powerCuts: number;
  /** How many different disks these left: each was opened and read once. */
  disks: number;
  readonly lost: string[];
}

export type MatrixResult = Readonly<Tally>;

export interface MatrixOptions {
  readonly seed: number;
  /** Power cuts at each point that leave any part of what was not synced; each leaves another one. */
  readonly anySurvivors: number;
  /** Which part of all crashes is tried: 1 for all of them. */
  readonly share: number;
  /** Only rows whose names contain this are tried. */
  readonly only: string;
}

/** A crash, what clients had been told by then, and the disk that it left. */
interface CrashPoint {
  readonly row: number;
  readonly name: string;
  readonly told: Told;
  readonly isPowerCut: boolean;
  readonly disk: DiskImage;
}

const WRITER = fileURLToPath(new URL('matrix-writer.ts', import.meta.url));
const JUDGED_AT_ONCE = 100;

/**
 * Interrupts each row of the matrix at every system call that touches its shadow, before it, in the
 * middle of it and after it: by kill -9, which leaves to the operating system all that it was given, and
 * by a power cut, after which there is what was synced and of the rest nothing, all, or any part.
 *
 * One process does all rows while its system calls are logged; the disks are computed from the log.
 * Two crashes that leave the same disk to clients that were told the same are one, and judged once.
 */
export async function runMatrix(options: MatrixOptions): Promise<MatrixResult[]> {
  const directory = await mkdtemp(join(tmpdir(), 'rowfs-crash-'));
  const laidOut = await mkdtemp(join(memoryDirectory(), 'rowfs-crash-'));
  try {
    const lower = join(directory, 'lower');
    const rows = join(directory, 'rows');
    await makeMatrixImage(lower);
    for (const number of MATRIX.keys())
      await mkdir(join(rows, String(number)), { recursive: true });
    const { stdout } = await execa(
      process.execPath,
      writerArguments({ lower, rows, prepare: true }),
    );
    const trees = JSON.parse(stdout) as PreparedTrees;
    const disks = [...MATRIX.keys()].map((row) => DiskImage.read(join(rows, String(row)), isLock));
    const log = await logWriter({ lower, rows, prepare: false }, join(directory, 'system-calls'));
    const events = readSystemCalls(log, rows, isLock);
    const judge = new Judge(lower, laidOut, trees);
    for (const [number, row] of MATRIX.entries()) {
      const disk = disks[number];
      if (disk === undefined || !row.name.includes(options.only)) continue;
      const own = eventsOfRow(events, number);
      for (const point of crashPoints(number, row, disk, own, options)) await judge.add(point);
    }
    return await judge.results();
  } finally {
    await rm(directory, { recursive: true, force: true });
    await rm(laidOut, { recursive: true, force: true });
  }
}

function writerArguments(task: MatrixWriterTask): [string, string] {
  return [WRITER, JSON.stringify(task)];
}

async function logWriter(task: MatrixWriterTask, logFile: string): Promise<string> {
  const [command, ...args] = [
    ...straceCommand(logFile),
    process.execPath,
    ...writerArguments(task),
  ];
  const writer = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [status] = (await once(writer, 'close')) as [number | null];
  if (status !== 0) throw new Error(`the writer ended with ${status ?? 'a signal'}`);
  return readFile(logFile, 'latin1');
}

/** What the row did, with paths from its own directory. */
function eventsOfRow(events: readonly FileEvent[], row: number): FileEvent[] {
  const prefix = `${row}/`;
  const inside = (path: string): string => path.slice(prefix.length);
  return events.flatMap((event): FileEvent[] => {
    if (event.kind === 'output') return event.text.startsWith(`${row} `) ? [event] : [];
    if (!`${event.path}/`.startsWith(prefix)) return [];
    if (event.kind === 'rename')
      return [{ ...event, path: inside(event.path), to: inside(event.to) }];
    return [{ ...event, path: inside(event.path) }];
  });
}

function* crashPoints(
  row: number,
  matrixRow: MatrixRow,
  before: DiskImage,
  events: readonly FileEvent[],
  { seed, anySurvivors, share }: MatrixOptions,
): Generator<CrashPoint> {
  const random = new Random(seed + row);
  const history = new DiskHistory(before, events);
  const opened = events.find((event) => event.kind === 'output')?.begin ?? 0;
  const after = matrixRow.fromOpening ? 0 : opened;
  const lines = new Set(events.flatMap(({ begin, end }) => [begin, begin + 1, end + 1]));
  for (const at of [...lines].sort((a, b) => a - b)) {
    if (at < after || random.below(1000) >= share * 1000) continue;
    const told = toldBefore(matrixRow, events, at);
    const point = (isPowerCut: boolean, survivors: Survivors): CrashPoint => {
      const what = isPowerCut ? `power cut, ${survivors} of the unsynced survives` : 'kill -9';
      const disk = history.diskAfterCrash(at, survivors, random);
      return { row, name: `${what}, at line ${at}`, told, isPowerCut, disk };
    };
    yield point(false, 'all');
    yield point(true, 'none');
    yield point(true, 'all');
    for (let draw = 0; draw < anySurvivors; draw += 1) yield point(true, 'any');
  }
}

/** Gathers crashes, has the disks that they left read by a fresh process, and keeps account. */
class Judge {
  readonly #lower: string;
  readonly #laidOut: string;
  readonly #before: PreparedTrees;
  readonly #seen = new Set<string>();
  readonly #results = MATRIX.map(({ name }): Tally => {
    return { operation: name, kills: 0, powerCuts: 0, disks: 0, lost: [] };
  });
  #waiting: CrashPoint[] = [];

  constructor(lower: string, laidOut: string, before: PreparedTrees) {
    this.#lower = lower;
    this.#laidOut = laidOut;
    this.#before = before;
  }

  async add(point: CrashPoint): Promise<void> {
    const { row, told, isPowerCut, disk } = point;
    const result = this.#resultOf(row);
    if (isPowerCut) result.powerCuts += 1;
    else result.kills += 1;
    const known = JSON.stringify([row, told, disk.digest()]);
    if (this.#seen.has(known)) return;
    this.#seen.add(known);
    result.disks += 1;
    this.#waiting.push(point);
    if (this.#waiting.length === JUDGED_AT_ONCE) await this.#judge();
  }

  async results(): Promise<MatrixResult[]> {
    await this.#judge();
    return this.#results.filter(({ disks }) => disks > 0);
  }

  async #judge(): Promise<void> {
    const points = this.#waiting;
    this.#waiting = [];
    const shadows = points.map(({ row, told, disk }, index) => {
      const target = join(this.#laidOut, String(index));
      disk.writeTo(target);
      const unanswered = unansweredCalls(rowAt(row), told);
      const exclusive = exclusiveIn(rowAt(row));
      return { shadow: join(target, 'shadow'), exclusive, unanswered };
    });
    const task = { lower: this.#lower, directories: [''], shadows, empty: true };
    const seen = await readShadows(task);
    for (const [index, { row, name, told }] of points.entries()) {
      const { name: operation } = rowAt(row);
      const after = seen[index] ?? 'it was not read';
      const problems = problemsAfter(rowAt(row), this.#before[row] ?? {}, told, after);
      const lost = problems.map((problem) => `${operation}, ${name}: ${problem}`);
      this.#resultOf(row).lost.push(...lost);
      await rm(join(this.#laidOut, String(index)), { recursive: true, force: true });
    }
  }

  #resultOf(row: number): Tally {
    const result = this.#results[row];
    if (result === undefined) throw new Error(`there is no row ${row}`);
    return result;
  }
}

function rowAt(number: number): MatrixRow {
  const row = MATRIX[number];
  if (row === undefined) throw new Error(`there is no row ${number}`);
  return row;
}

function exclusiveIn({ clients }: MatrixRow): string[] {
  return clients
    .flat()
    .filter((operation) => operation.kind === 'create' && operation.how === 'exclusive')
    .map(({ path }) => path);
}
