/**
 * `pnpm model [--seed S] [--runs N] [--seconds N] [--path P]`: random sequences of NFS operations on the overlay,
 * over the whole stack, and on a directory of the local disk, compared after each step; restarts,
 * kills and lost connections in between. A difference is shrunk to the shortest story that shows it,
 * and told in words. The last line is JSON; exit status 1 when there was a difference.
 */
import { randomInt } from 'node:crypto';
import { geteuid } from 'node:process';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { withBench } from './bench.ts';
import { randomSequences } from './random-sequences.ts';
import { noCounts, runSequence } from './sequence.ts';

const DEFAULT_RUNS = 100;
const MAX_STEPS = 80;
/** Sequences that are tried to make a difference shorter: each takes about a second. */
const MAX_SHRINKS = 400;

function wholeNumber(text: string, option: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  process.stderr.write(`model: ${option} wants a whole number, not '${text}'\n`);
  process.exit(2);
}

const { values } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: {
    seed: { type: 'string' },
    runs: { type: 'string', default: String(DEFAULT_RUNS) },
    seconds: { type: 'string' },
    path: { type: 'string' },
  },
});
if (geteuid?.() !== 0) {
  process.stderr.write('model: run it as root: it operates the disk as several users\n');
  process.exit(2);
}
const seed = wholeNumber(values.seed ?? String(randomInt(2 ** 29)), '--seed');
const numRuns = wholeNumber(values.runs, '--runs');
const { path } = values;
const seconds = values.seconds === undefined ? undefined : wholeNumber(values.seconds, '--seconds');

const counts = noCounts();
/** The last operation and what is different after it. */
function endOf(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).split('\n');
  const first = lines.findIndex((line) => line.startsWith('!!'));
  return lines.slice(Math.max(0, first - 2)).join('\n');
}

let shrinksLeft = MAX_SHRINKS;
let hasFailed = false;
let running = Promise.resolve();
const details = await withBench(async (bench) => {
  const checked = await fc.check(
    fc.asyncProperty(randomSequences(MAX_STEPS), async (sequence) => {
      if (hasFailed && shrinksLeft-- <= 0) return;
      running = runSequence(bench, sequence, counts);
      await running.catch((error: unknown) => {
        if (!hasFailed) process.stderr.write(`${endOf(error)}\nlooking for a shorter story ...\n`);
        hasFailed = true;
        throw error;
      });
    }),
    {
      seed,
      numRuns,
      ...(seconds !== undefined && { interruptAfterTimeLimit: seconds * 1000 }),
      ...(path !== undefined && { path, endOnFailure: true }),
    },
  );
  // When time is up, the sequence that was under way is left behind.
  await running.catch(() => undefined);
  return checked;
});
if (details.failed) {
  const { errorInstance, counterexamplePath } = details;
  const story = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  process.stdout.write(`${story}\n`);
  process.stdout.write(`  again: pnpm model --seed ${seed} --path ${counterexamplePath ?? ''}\n`);
}
const sequences = details.numRuns;
process.stdout.write(
  `${JSON.stringify({ seed, sequences, ...counts, differences: details.failed ? 1 : 0 })}\n`,
);
process.exitCode = details.failed ? 1 : 0;
