/**
 * `pnpm crash [--seed S] [--runs N] [--short] [--only ROW]`: what a crash makes of a shadow, and of a block
 * cache.
 *
 * The matrix (matrix.ts): each mutating operation is interrupted at each of its system calls, by kill -9
 * and by power cuts; so is what changes a block cache (cache-matrix.ts). Then the runs: in each, four clients change one shadow at once, and the process is
 * killed at several moments; then the same with power cuts. After each crash a fresh process must find
 * all that was acknowledged, and nothing else.
 *
 * `--short` tries a part of the matrix, drawn by the seed; `--only` nothing but its rows whose names
 * contain ROW. The last line is JSON; exit status 1 when anything was lost. The matrix follows from the
 * seed, as do the operations of the runs; the moments of their kills are aimed by it, and the scheduler
 * has its say.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { installCommand, whatIsLacking } from '../../tools/debian-packages.ts';
import { runCacheMatrix } from './cache-matrix.ts';
import { killRun } from './kill-run.ts';
import { type MatrixResult, runMatrix } from './matrix.ts';
import { powerCutRun } from './power-cut-run.ts';
import type { RunResult } from './run.ts';

const DEFAULT_RUNS = 10;
const SHORT = { anySurvivors: 1, share: 0.2 };
const WHOLE = { anySurvivors: 2, share: 1 };

function wholeNumber(text: string, option: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  process.stderr.write(`crash: ${option} wants a whole number, not '${text}'\n`);
  process.exit(2);
}

const { values } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: {
    seed: { type: 'string' },
    runs: { type: 'string' },
    short: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});
const seed = wholeNumber(values.seed ?? String(randomInt(2 ** 29)), '--seed');
const defaultRuns = values.only === undefined ? (values.short ? 1 : DEFAULT_RUNS) : 0;
const runs = wholeNumber(values.runs ?? String(defaultRuns), '--runs');

const total = { kills: 0, powerCuts: 0, disks: 0, acknowledged: 0, lost: 0 };

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function addRun({ acknowledged, lost }: RunResult, seedOfRun: number): void {
  total.acknowledged += acknowledged;
  total.lost += lost.length;
  for (const each of lost) print(`lost: ${each}`);
  if (lost.length > 0) print(`  again: pnpm crash --seed ${seedOfRun} --runs 1`);
}

function addRow({ operation, kills, powerCuts, disks, lost }: MatrixResult): void {
  total.kills += kills;
  total.powerCuts += powerCuts;
  total.disks += disks;
  total.lost += lost.length;
  const counts = [kills, powerCuts, lost.length].map((count) => String(count).padStart(7));
  print(`${operation.padEnd(48)}${counts.join('')}`);
  for (const each of lost) print(`lost: ${each}`);
  if (lost.length > 0) print(`  again: pnpm crash --seed ${seed} --only '${operation}'`);
}

const cutsPower = whatIsLacking('strace') === undefined;
if (cutsPower) {
  print(`${'operation'.padEnd(48)}  kills   cuts   lost`);
  const options = { ...(values.short ? SHORT : WHOLE), seed, only: values.only ?? '' };
  (await runMatrix(options)).forEach(addRow);
  (await runCacheMatrix(options)).forEach(addRow);
} else {
  const command = installCommand(['strace']);
  process.stderr.write(`crash: no matrix and no power cuts without strace: ${command}\n`);
}
for (let run = 0; run < runs; run += 1) {
  const killed = await killRun(seed + run);
  total.kills += killed.points;
  addRun(killed, seed + run);
  if (!cutsPower) continue;
  const cut = await powerCutRun(seed + run);
  total.powerCuts += cut.points;
  addRun(cut, seed + run);
}
const points = total.kills + total.powerCuts;
print(JSON.stringify({ seed, runs, points, ...total }));
process.exitCode = total.lost > 0 ? 1 : 0;
