/**
 * `pnpm crash [--seed S] [--runs N]`: the crash matrix of the shadow. In each run four clients
 * change one shadow at once, and the process is killed at several moments; then the same with power
 * cuts. After each a fresh process must find all that was acknowledged. The last line is JSON; exit
 * status 1 when anything was lost. The operations follow from the seed; the moments of the kills are
 * aimed by it, and the scheduler has its say.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { installCommand, whatIsLacking } from '../../tools/debian-packages.ts';
import { killRun } from './kill-run.ts';
import { powerCutRun } from './power-cut-run.ts';
import type { RunResult } from './run.ts';

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

const total = { kills: 0, powerCuts: 0, acknowledged: 0, lost: 0 };

function add({ acknowledged, lost }: RunResult, seedOfRun: number): void {
  total.acknowledged += acknowledged;
  total.lost += lost.length;
  for (const each of lost) process.stdout.write(`lost: ${each}\n`);
  if (lost.length > 0) process.stdout.write(`  again: pnpm crash --seed ${seedOfRun} --runs 1\n`);
}

const cutsPower = whatIsLacking('strace') === undefined;
if (!cutsPower) {
  process.stderr.write(`crash: no power cuts without strace: ${installCommand(['strace'])}
`);
}
for (let run = 0; run < runs; run += 1) {
  const killed = await killRun(seed + run);
  total.kills += killed.points;
  add(killed, seed + run);
  if (!cutsPower) continue;
  const cut = await powerCutRun(seed + run);
  total.powerCuts += cut.points;
  add(cut, seed + run);
}
const points = total.kills + total.powerCuts;
process.stdout.write(`${JSON.stringify({ seed, runs, points, ...total })}\n`);
process.exitCode = total.lost > 0 ? 1 : 0;
