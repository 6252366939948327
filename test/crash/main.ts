/**
 * `pnpm crash [--seed S] [--runs N]`: the crash matrix of the shadow. Each run fills one shadow by
 * four clients at once and kills the process at several moments; after each a fresh process must
 * find what was acknowledged. The last line is JSON; exit status 1 when anything was lost.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { killRun } from './kill-run.ts';

const DEFAULT_RUNS = 10;

function wholeNumber(text: string, option: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  process.stderr.write(`crash: ${option} wants a whole number, not '${text}'\n`);
  process.exit(2);
}

const { values } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: { seed: { type: 'string' }, runs: { type: 'string', default: String(DEFAULT_RUNS) } },
});
const seed = wholeNumber(values.seed ?? String(randomInt(2 ** 29)), '--seed');
const runs = wholeNumber(values.runs, '--runs');

let points = 0;
let acknowledged = 0;
let lost = 0;
for (let run = 0; run < runs; run += 1) {
  const result = await killRun(seed + run);
  points += result.points;
  acknowledged += result.acknowledged;
  lost += result.lost.length;
  for (const each of result.lost) process.stdout.write(`lost: ${each}\n`);
  if (result.lost.length > 0) {
    process.stdout.write(`  again: pnpm crash --seed ${seed + run} --runs 1\n`);
  }
}
process.stdout.write(`${JSON.stringify({ seed, runs, points, acknowledged, lost })}\n`);
process.exitCode = lost > 0 ? 1 : 0;
