import { readdir, readFile, writeFile } from 'node:fs/promises';
import { arch, cpus, platform, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { BenchResult, BenchTable } from './bench-case.ts';

const results = new URL('results/', import.meta.url);
const page = new URL('../../docs/benchmarks.md', import.meta.url);

/** Where and when a result was measured; figures are only good with it. */
interface Kept extends BenchResult {
  readonly date: string;
  readonly machine: string;
}

function machine(): string {
  const gib = (totalmem() / 2 ** 30).toFixed(0);
  return `${cpus().length} cores, ${gib} GiB, ${platform()} ${arch()}, Node ${process.version}`;
}

/** Writes `results/CASE.json`, and docs/benchmarks.md anew from all results. */
export async function keepResult(result: BenchResult): Promise<void> {
  const kept: Kept = { ...result, date: new Date().toISOString().slice(0, 10), machine: machine() };
  await writeFile(new URL(`${result.case}.json`, results), `${JSON.stringify(kept, null, 2)}\n`);
  const files = (await readdir(results)).filter((file) => file.endsWith('.json')).sort();
  const all = await Promise.all(
    files.map(async (file) => JSON.parse(await readFile(new URL(file, results), 'utf8')) as Kept),
  );
  await writeFile(fileURLToPath(page), render(all));
}

function render(all: readonly Kept[]): string {
  const sections = all.map((result) => {
    const rows = result.rows.map((row) => {
      const limit = row.isCeiling === true ? 'at most ' : '';
      const target = row.target === undefined ? '' : `${limit}${row.target}x`;
      const met = row.met === undefined ? '' : row.met ? 'yes' : '**no**';
      return `| ${row.name} | ${amount(row.ours)} ${row.unit} | ${amount(row.peer)} ${row.unit} | ${ratio(row.ratio)}x | ${target} | ${met} |`;
    });
    return [
      `## ${result.case}`,
      '',
      `Measured ${result.date}: ${result.machine}. Medians; the ratio is the median of each round's own ratio.`,
      '',
      '| | rowfs | peer | ratio | target | met |',
      '|---|---|---|---|---|---|',
      ...rows,
      '',
      ...(result.tables ?? []).flatMap(tableLines),
    ].join('\n');
  });
  return [
    '# Benchmarks',
    '',
    'Rendered from `test/bench/results/` by `pnpm bench CASE`; do not edit. Both sides ran in the same run,',
    'in turn. Absolute figures are noisy; ratios hold.',
    '',
    ...sections,
  ].join('\n');
}

function tableLines({ title, columns, rows }: BenchTable): string[] {
  const line = (cells: readonly (string | number)[]): string =>
    `| ${cells.map((cell) => (typeof cell === 'number' ? shown(cell) : cell)).join(' | ')} |`;
  return [
    `### ${title}`,
    '',
    line(columns),
    `|${columns.map((_, index) => (index === 0 ? '---|' : '---:|')).join('')}`,
    ...rows.map(line),
    '',
  ];
}

function shown(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 1000 ? 1 : 0 });
}

function ratio(value: number): string {
  return value === 0 || value >= 0.1 ? value.toFixed(2) : value.toPrecision(2);
}

function amount(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
