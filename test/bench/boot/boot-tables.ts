/** The tables and figures of the ROW-FS paper, ours beside theirs. */
import { type BenchTable, median } from '../bench-case.ts';
import { type MeasuredBoots, sumOf } from './boot-rows.ts';
import type { BootCost } from './boot-cost.ts';
import type { TwoBoots } from './sides.ts';

/** Table 1 of the paper, in seconds, by round trip; without a link, about two minutes. */
const PAPER_BOOTS: Readonly<Record<number, { readonly first: number; readonly second: number }>> = {
  23: { first: 291, second: 116 },
  68: { first: 351, second: 162 },
};
/** Sections 4.2 and 4.3. */
const PAPER_IMAGE_MB = 934;
const PAPER_READ_MB = 16;
const PAPER_REDIRECTED_MB = 0.646;
const PAPER_PROCESSOR = 'at most 12 %';

const PHASES = ['boot', 'compute', 'boot again'];

/** The last of `measured` has the longest link. */
export function bootTables(
  measured: readonly MeasuredBoots[],
  imageBytes: number,
): readonly BenchTable[] {
  const far = measured.at(-1);
  const foreseen = far?.foreseen[0];
  if (far === undefined || foreseen === undefined) throw new Error('nothing was measured');
  return [
    secondsTable(measured),
    callsTable(far, foreseen),
    bytesTable(far, foreseen, imageBytes),
    loadTable(foreseen),
  ];
}

function secondsTable(measured: readonly MeasuredBoots[]): BenchTable {
  const rows = measured.flatMap(({ roundTripMs, native, plain, manifest, foreseen }) =>
    (['first', 'second'] as const).map((which) => [
      `${roundTripMs} ms, ${which} boot`,
      native[which].seconds,
      plain[which].seconds,
      manifest[which].seconds,
      median(foreseen.map((boots) => boots[which].seconds)),
      PAPER_BOOTS[roundTripMs]?.[which] ?? 'about 120',
    ]),
  );
  return {
    title: 'Boot and second boot, in seconds (table 1 of the ROW-FS paper)',
    columns: [
      '',
      'native NFS root',
      'plain export',
      'manifest',
      'manifest and profile',
      'the paper',
    ],
    rows,
  };
}

function callsTable({ roundTripMs, native }: MeasuredBoots, ours: TwoBoots): BenchTable {
  const columns: readonly (readonly [string, BootCost['linkCalls']])[] = [
    ['native, over the link', native.first.linkCalls],
    ['machine to proxy', ours.first.machineCalls],
    ['over the link, first boot', ours.first.linkCalls],
    ['over the link, second boot', ours.second.linkCalls],
  ];
  const procedures = [...new Set(columns.flatMap(([, calls]) => Object.keys(calls)))];
  const row = (name: string, of: readonly string[]): (string | number)[] => [
    name,
    ...columns.map(([, calls]) => sumOf(calls, of)),
  ];
  return {
    title: `RPC calls by procedure, with manifest and profile, over ${roundTripMs} ms (figure 5)`,
    columns: ['', ...columns.map(([name]) => name)],
    rows: [
      ...procedures.map((procedure) => row(procedure.toUpperCase(), [procedure])),
      row('all', procedures),
    ],
  };
}

function bytesTable(
  { roundTripMs, native, plain, manifest }: MeasuredBoots,
  foreseen: TwoBoots,
  imageBytes: number,
): BenchTable {
  const mb = (bytes: number): number => bytes / 1e6;
  const sides = { native, plain, manifest, 'manifest and profile': foreseen };
  return {
    title: `Bytes of a boot over ${roundTripMs} ms, in MB (section 4.3)`,
    columns: ['', 'image', 'over the link', 'second boot', 'read by the machine', 'written by it'],
    rows: [
      ...Object.entries(sides).map(([name, { first, second }]) => [
        name,
        ...[imageBytes, first.linkBytes, second.linkBytes, first.machineRead].map(mb),
        mb(first.machineWritten),
      ]),
      ['the paper', PAPER_IMAGE_MB, PAPER_READ_MB, 'not told', PAPER_READ_MB, PAPER_REDIRECTED_MB],
    ],
  };
}

function loadTable({ loads }: TwoBoots): BenchTable {
  return {
    title: "The proxy's own load (figure 4)",
    columns: [
      '',
      'seconds',
      '% of a processor',
      'busiest 20 s, %',
      'resident at most, MB',
      'the paper',
    ],
    rows: loads.map(({ seconds, processor, busiestProcessor, residentBytes }, index) => [
      PHASES[index] ?? '',
      ...[seconds, processor * 100, busiestProcessor * 100, residentBytes / 1e6],
      PAPER_PROCESSOR,
    ]),
  };
}
