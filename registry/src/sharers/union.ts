import type { Sharer } from '../records/lease.ts';
import { HLL_REGISTERS, HyperLogLog } from './hyperloglog.ts';
import { leaseHash } from './lease-hash.ts';
import type { SharersCount } from './version-leases.ts';

/** From so many answers on, what only one of them says is not counted. */
const WITNESSES_FROM = 3;

/** The sharers that several storing nodes tell of together. */
export interface SharersUnion {
  readonly count: number;
  readonly exact: boolean;
  readonly sharers: readonly Sharer[];
}

/**
 * The union of what storing nodes tell. Names are united as they are. Where there are too many to
 * name, one node's count is scaled by how much larger the union's sketch is than its own: nodes that
 * hold the same give that node's count, without the sketch's error. An acknowledged lease is on several
 * nodes, so of three answers and more the second largest count, and register, is believed: one
 * node that lies cannot raise the count of a crowd. But while anyone tells of a lease it is not 0.
 */
export function unionOfSharers(answers: readonly SharersCount[]): SharersUnion {
  const named = new Map<string, Sharer>();
  for (const sharer of answers.flatMap(({ sharers }) => sharers)) {
    named.set(`${sharer.client}.${sharer.lease}`, sharer);
  }
  const sharers = [...named.values()];
  if (answers.every(({ sketch }) => sketch === null)) {
    const isOneMore = answers.some(({ count }) => count > 0) ? 1 : 0;
    return { count: Math.max(sharers.length, isOneMore), exact: true, sharers };
  }
  const byCount = [...answers].sort((a, b) => b.count - a.count);
  const believed = byCount[byCount.length >= WITNESSES_FROM ? 1 : 0];
  if (believed === undefined) return { count: 0, exact: true, sharers };
  const sketches = answers.map(sketchOf);
  const own = new HyperLogLog(sketchOf(believed)).estimate();
  const union = new HyperLogLog(witnessed(sketches)).estimate();
  const growth = own > 0 ? Math.max(1, union / own) : 1;
  const count = Math.max(Math.round(believed.count * growth), 1);
  return { count, exact: false, sharers };
}

function sketchOf({ sketch, sharers }: SharersCount): Uint8Array {
  if (sketch !== null) return sketch;
  const made = new HyperLogLog();
  for (const { client, lease } of sharers) made.add(leaseHash(client, lease).high);
  return made.registers;
}

/** Of each register the second largest, or the largest of few. */
function witnessed(sketches: readonly Uint8Array[]): Uint8Array {
  const rank = sketches.length >= WITNESSES_FROM ? 1 : 0;
  return Uint8Array.from({ length: HLL_REGISTERS }, (_, register) => {
    const values = sketches.map((sketch) => sketch[register] ?? 0);
    return values.sort((a, b) => b - a)[rank] ?? 0;
  });
}
