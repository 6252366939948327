import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile, link } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { Random } from '../support/random.ts';
import { describeTree } from '../support/tree-description.ts';
import { ExpectedTree } from './expected-tree.ts';
import { CLIENTS, type Places } from './overlay.ts';
import { randomOperation } from './random-operation.ts';
import type { ReaderTask, Seen } from './reader.ts';
import type { WriterTask } from './writer.ts';

/** How often one shadow is killed, each time going on from where it was. */
export const KILLS_PER_RUN = 4;
const MAX_ACKNOWLEDGED = 300;
const MAX_DELAY_MS = 4;

export interface RunResult {
  readonly points: number;
  readonly acknowledged: number;
  /** What was lost, half done, leaked or changed; nothing when all is well. */
  readonly lost: readonly string[];
}

/** One shadow, filled and killed again and again. */
export async function killRun(seed: number): Promise<RunResult> {
  const directory = await mkdtemp(join(tmpdir(), 'rowfs-crash-'));
  try {
    const places = { lower: join(directory, 'lower'), shadow: join(directory, 'shadow') };
    await makeLower(places.lower);
    return await killAgainAndAgain(places, new Random(seed));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function killAgainAndAgain(places: Places, random: Random): Promise<RunResult> {
  const lost: string[] = [];
  const lowerBefore = await describeTree(places.lower);
  const verifiers = new Set<string>();
  let before = await read({ ...places, empty: false });
  verifiers.add(before.verifier);
  let points = 0;
  let acknowledged = 0;
  while (points < KILLS_PER_RUN && lost.length === 0) {
    points += 1;
    const seeds = CLIENTS.map(() => random.uint32());
    const killAfter = 1 + random.below(MAX_ACKNOWLEDGED);
    const acknowledgements = await writeUntilKilled({ ...places, seeds }, killAfter, random);
    acknowledged += acknowledgements.length;
    const after = await read({ ...places, empty: points === KILLS_PER_RUN });
    if (verifiers.has(after.verifier)) lost.push(`the write verifier ${after.verifier} came again`);
    verifiers.add(after.verifier);
    for (const [index, client] of CLIENTS.entries()) {
      const own = acknowledgements.filter((each) => each.client === index);
      const expected = ExpectedTree.of(before.trees[index] ?? {});
      const differences = differencesAfter(
        expected,
        seeds[index] ?? 0,
        own,
        after.trees[index] ?? {},
      );
      lost.push(...differences.map((difference) => `${client}: ${difference}`));
    }
    for (const file of after.leftBehind ?? []) lost.push(`data file ${file} belongs to nobody`);
    before = after;
  }
  const lowerAfter = await describeTree(places.lower);
  if (JSON.stringify(lowerAfter) !== JSON.stringify(lowerBefore))
    lost.push('the image was changed');
  return { points, acknowledged, lost };
}

interface Acknowledgement {
  readonly client: number;
  readonly handle: string | undefined;
}

/** Plays what was acknowledged, then judges the tree with and without the operation in flight. */
function differencesAfter(
  expected: ExpectedTree,
  seed: number,
  acknowledgements: readonly Acknowledgement[],
  seen: Seen['trees'][number],
): string[] {
  const random = new Random(seed);
  for (const { handle } of acknowledgements) {
    expected.acknowledge(randomOperation(expected, random), handle);
  }
  const inFlight = randomOperation(expected, random);
  const done = expected.clone();
  done.begin(inFlight);
  const without = expected.differences(seen);
  if (without.length === 0 || done.differences(seen).length === 0) return [];
  return without.map((difference) => `${difference} (in flight: ${JSON.stringify(inFlight)})`);
}

/** Resolves to what the writer acknowledged before it died, in order. */
async function writeUntilKilled(
  task: WriterTask,
  killAfter: number,
  random: Random,
): Promise<Acknowledgement[]> {
  const writer = spawn(process.execPath, [program('writer.ts'), JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const delayMs = (random.below(1000) * MAX_DELAY_MS) / 1000;
  let output = '';
  let errors = '';
  let lines = 0;
  writer.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  writer.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    const before = lines;
    lines += text.split('\n').length - 1;
    if (before >= killAfter || lines < killAfter) return;
    // Timers are too coarse: the moment has to fall anywhere between two system calls.
    const until = performance.now() + delayMs;
    while (performance.now() < until);
    writer.kill('SIGKILL');
  });
  const [, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    writer.on('close', (status, name) => resolve([status, name]));
  });
  if (signal !== 'SIGKILL') throw new Error(`the writer ended by itself: ${errors}`);
  return output
    .slice(0, output.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [client, handle] = line.split(' ');
      return { client: Number(client), handle: handle === '-' ? undefined : handle };
    });
}

async function read(task: ReaderTask): Promise<Seen> {
  const { stdout } = await execa(process.execPath, [program('reader.ts'), JSON.stringify(task)]);
  return JSON.parse(stdout) as Seen;
}

function program(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** For each client some files, of sizes on and off a block's end, and what else an image has. */
async function makeLower(lower: string): Promise<void> {
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
