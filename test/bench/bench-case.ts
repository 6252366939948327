/** One measured line: what was done, how fast ours and the peer did it (medians), ours / peer. */
export interface BenchRow {
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  readonly peer: number;
  readonly ratio: number;
  /** The ratio to reach; absent for a row that is shown for information. */
  readonly target?: number;
  /** The target is not to be exceeded: a cost, and no speed. */
  readonly isCeiling?: true;
  readonly met?: boolean;
}

/** What a case prints as its last line, and leaves in `results/`. */
export interface BenchResult {
  readonly case: string;
  readonly unit: string;
  /** The worst of the rows that have a target; the first row when none has. */
  readonly ours: number;
  readonly peer: number;
  readonly ratio: number;
  readonly target?: number;
  /** Whether every row that has a target reached it. */
  readonly met: boolean;
  readonly rows: readonly BenchRow[];
  /** What was measured besides. */
  readonly tables?: readonly BenchTable[];
}

/** Figures that are shown as they are, and beside those of a paper, say. */
export interface BenchTable {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

export interface BenchOptions {
  /** Fewer and shorter rounds: to see that the case works, not to quote. */
  readonly short: boolean;
  readonly log: (line: string) => void;
}

/** A comparison with a real peer, side by side in one run. */
export interface BenchCase {
  readonly name: string;
  readonly description: string;
  run(options: BenchOptions): Promise<BenchResult>;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error('no values to take the median of');
  return sorted.length % 2 === 1
    ? middle
    : (middle + (sorted[sorted.length / 2 - 1] ?? middle)) / 2;
}

/** A row from what both did in each round; `higher is better`. */
export function compareRounds(
  name: string,
  unit: string,
  rounds: readonly { readonly ours: number; readonly peer: number }[],
  target?: number,
): BenchRow {
  const ours = median(rounds.map((round) => round.ours));
  const peer = median(rounds.map((round) => round.peer));
  // Pair by pair, so that a machine whose speed drifts between rounds does not decide.
  const ratio = median(rounds.map((round) => round.ours / round.peer));
  return {
    name,
    unit,
    ours,
    peer,
    ratio,
    ...(target === undefined ? {} : { target, met: ratio >= target }),
  };
}

/** A row from what something cost both in each round; `lower is better`. */
export function compareCosts(
  name: string,
  unit: string,
  rounds: readonly { readonly ours: number; readonly peer: number }[],
  ceiling: number,
): BenchRow {
  const row = compareRounds(name, unit, rounds);
  return { ...row, target: ceiling, isCeiling: true, met: row.ratio <= ceiling };
}

/** A row of what something costs, measured once, beside what it may be compared with. */
export function costRow(
  name: string,
  unit: string,
  { ours, peer }: { readonly ours: number; readonly peer: number },
  ceiling?: number,
): BenchRow {
  const ratio = ours / peer;
  if (ceiling === undefined) return { name, unit, ours, peer, ratio };
  return { name, unit, ours, peer, ratio, target: ceiling, isCeiling: true, met: ratio <= ceiling };
}

/** Above 1 when the row is better than its target. */
function margin({ ratio, target = 1, isCeiling }: BenchRow): number {
  if (isCeiling === true) return ratio === 0 ? Number.POSITIVE_INFINITY : target / ratio;
  return ratio / target;
}

/** Sums rows up as the case's result: its worst row against its target. */
export function summarize(
  name: string,
  rows: readonly BenchRow[],
  tables: readonly BenchTable[] = [],
): BenchResult {
  const judged = rows.filter((row) => row.target !== undefined);
  const [first] = judged.length > 0 ? judged : rows;
  if (first === undefined) throw new Error(`${name} has no rows`);
  const worst = judged.reduce((a, b) => (margin(a) <= margin(b) ? a : b), first);
  const { unit, ours, peer, ratio, target } = worst;
  const met = judged.every((row) => row.met);
  const limit = target === undefined ? {} : { target };
  const result = { case: name, unit, ours, peer, ratio, ...limit, met, rows };
  return tables.length === 0 ? result : { ...result, tables };
}
