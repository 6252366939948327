import { type BenchRow, type BenchTable, costRow } from '../bench-case.ts';
import type { DiskBootCost, DiskBoots } from './sides.ts';

/** What was measured of each way to the disk. */
export interface DiskSides {
  readonly copied: DiskBoots;
  readonly direct: DiskBoots;
  readonly verified: DiskBoots;
  readonly foreseen: DiskBoots;
  /** Not in a short run. */
  readonly compressed?: DiskBoots;
  readonly plain?: DiskBoots;
}

const MEGABYTE = 1e6;

const NAMES: readonly (readonly [keyof DiskSides, string])[] = [
  ['copied', 'copied first, by rsync'],
  ['compressed', 'copied first, by rsync with zstd'],
  ['direct', "QEMU's driver, no proxy"],
  ['plain', 'proxy, plain export'],
  ['verified', 'proxy, manifest'],
  ['foreseen', 'proxy, manifest and boot profile'],
];

/** Ours beside each peer. */
export function diskRows(sides: DiskSides): BenchRow[] {
  const { copied, direct, verified, foreseen, compressed, plain } = sides;
  const rows: BenchRow[] = [];
  const add = (what: string, ours: DiskBootCost, peer: DiskBootCost): void => {
    rows.push(costRow(what, 's', { ours: ours.seconds, peer: peer.seconds }));
    const megabytes = { ours: ours.bytes / MEGABYTE, peer: peer.bytes / MEGABYTE };
    if (peer.bytes > 0) rows.push(costRow(`${what}: over the link`, 'MB', megabytes));
  };
  const addSide = (what: string, { first, second }: DiskBoots): void => {
    add(`first boot, ${what}, beside copying first`, first, copied.first);
    if (compressed !== undefined)
      add(`first boot, ${what}, beside copying compressed`, first, compressed.first);
    add(`first boot, ${what}, beside the driver alone`, first, direct.first);
    if (second === undefined) return;
    if (copied.second !== undefined)
      add(`second boot, ${what}, beside the copy`, second, copied.second);
    add(`second boot, ${what}, beside a boot with the driver alone`, second, direct.first);
  };
  if (plain !== undefined) addSide('plain export', plain);
  addSide('manifest', verified);
  addSide('manifest and boot profile', foreseen);
  return rows;
}

export function diskTable(sides: DiskSides): BenchTable {
  const cells = (cost: DiskBootCost | undefined): (string | number)[] =>
    cost === undefined ? ['as the first', ''] : [cost.seconds, cost.bytes / MEGABYTE];
  return {
    title: 'Each way to the disk',
    columns: ['', 'first boot, s', 'MB over the link', 'second boot, s', 'MB over the link'],
    rows: NAMES.flatMap(([key, what]) => {
      const boots = sides[key];
      return boots === undefined ? [] : [[what, ...cells(boots.first), ...cells(boots.second)]];
    }),
  };
}
