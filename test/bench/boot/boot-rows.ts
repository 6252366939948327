/** What is judged of boots over links. */
import { type BenchRow, compareCosts, costRow, median } from '../bench-case.ts';
import type { BootCost, Calls } from './boot-cost.ts';
import type { TwoBoots } from './sides.ts';

/** Boots over one link. */
export interface MeasuredBoots {
  readonly roundTripMs: number;
  readonly native: TwoBoots;
  readonly plain: TwoBoots;
  readonly manifest: TwoBoots;
  /** With a manifest and a boot profile: one of each round. */
  readonly foreseen: TwoBoots[];
}

/** Targets: what a boot over the longest link may take of one without a link, and of a processor (the paper's figure 4). */
const FIRST_BOOT_CEILING = 1.25;
const SECOND_BOOT_CEILING = 1.05;
const PROCESSOR_BUDGET = 0.12;

const METADATA = ['getattr', 'lookup', 'access', 'readlink', 'readdir', 'readdirplus'];

/** The first of `measured` has no link, the last has the longest. */
export function bootRows(measured: readonly MeasuredBoots[]): BenchRow[] {
  const [near, far] = [measured.at(0), measured.at(-1)];
  if (near === undefined || far === undefined) throw new Error('nothing was measured');
  const besideNear = (what: 'first' | 'second', ceiling: number): BenchRow =>
    compareCosts(
      `${what} boot with a profile over ${far.roundTripMs} ms, beside one without a link`,
      's',
      far.foreseen.map((boots, round) => ({
        ours: boots[what].seconds,
        peer: near.foreseen[round]?.[what].seconds ?? Number.NaN,
      })),
      ceiling,
    );
  return [
    besideNear('first', FIRST_BOOT_CEILING),
    besideNear('second', SECOND_BOOT_CEILING),
    ...costRows(far),
    ...measured.flatMap(({ roundTripMs, native, ...ours }) =>
      Object.entries(ours).flatMap(([kind, boots]) =>
        againstNative(roundTripMs, kind, boots, native),
      ),
    ),
  ];
}

/** That nothing but blocks crosses the link, and what the proxy itself takes. */
function costRows({ roundTripMs, native, foreseen }: MeasuredBoots): BenchRow[] {
  const [boots] = foreseen;
  if (boots === undefined) throw new Error('nothing was measured');
  const metadata = ({ linkCalls }: BootCost): number => sumOf(linkCalls, METADATA);
  const reads = ({ linkCalls }: BootCost): number => sumOf(linkCalls, ['read']);
  const calls = (what: string, of: (cost: BootCost) => number): BenchRow[] =>
    (['first', 'second'] as const).map((which) =>
      costRow(
        `${what} over the link, ${which} boot over ${roundTripMs} ms, beside native`,
        'calls',
        { ours: of(boots[which]), peer: of(native[which]) },
        which === 'second' ? 0 : undefined,
      ),
    );
  const busiest = Math.max(...boots.loads.map(({ busiestProcessor }) => busiestProcessor));
  return [
    ...calls('READ', reads),
    ...calls('calls for names and attributes', metadata),
    costRow(
      "the proxy's busiest 20 seconds, beside their budget",
      '% of a processor',
      { ours: busiest * 100, peer: PROCESSOR_BUDGET * 100 },
      1,
    ),
  ];
}

function againstNative(
  roundTripMs: number,
  kind: string,
  boots: TwoBoots | readonly TwoBoots[],
  native: TwoBoots,
): BenchRow[] {
  const all = 'first' in boots ? [boots] : boots;
  const name = kind === 'foreseen' ? 'manifest and profile' : kind;
  return (['first', 'second'] as const).map((which) =>
    costRow(`${which} boot over ${roundTripMs} ms, ${name}, beside native`, 's', {
      ours: median(all.map((each) => each[which].seconds)),
      peer: native[which].seconds,
    }),
  );
}

/** Of calls of these procedures. */
export function sumOf(calls: Calls, procedures: readonly string[]): number {
  return procedures.reduce((sum, procedure) => sum + (calls[procedure] ?? 0), 0);
}
