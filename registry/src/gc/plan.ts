import { createHash } from 'node:crypto';
import type { HistoryEntry } from '../records/latest.ts';
import { encodeCbor } from '../records/signed-record.ts';

/** What the publisher wants kept beyond what is in use. */
export interface GcPolicy {
  /** Keep this many of the newest versions, the current one among them. */
  readonly keep: number;
  /** Keep versions that stopped being current less than this many seconds ago. */
  readonly graceSeconds: number;
  /** Versions never to delete. */
  readonly pins: readonly string[];
}

/** Everything a plan depends on. */
export interface GcWorld {
  readonly appliance: string;
  /** Of the newest `latest` record. */
  readonly seq: number;
  readonly current: string;
  /** When the newest record was signed, ms since the epoch. */
  readonly published: number;
  readonly channels: Readonly<Record<string, string>>;
  readonly history: readonly Pick<HistoryEntry, 'version' | 'published'>[];
  /** Versions that an earlier gc retired and did not finish with. */
  readonly retired: readonly Pick<HistoryEntry, 'version' | 'published'>[];
  /** Versions whose publish has begun and not ended. */
  readonly inFlight: readonly string[];
  /** Per version; a version that is missing here counts as unreachable. */
  readonly sharers: ReadonlyMap<string, { readonly count: number; readonly complete: boolean }>;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Why a version is kept, or that nothing keeps it. */
export type GcReason =
  | 'CURRENT'
  | 'IN_FLIGHT'
  | 'PINNED'
  | 'CHANNEL'
  | 'SHARERS'
  | 'UNREACHABLE'
  | 'KEPT'
  | 'GRACE'
  | 'RETIRED'
  | 'UNUSED';

export interface GcDecision {
  readonly version: string;
  readonly decision: 'keep' | 'delete';
  readonly reason: GcReason;
  /** The reason in words, e.g. `3 sharers`. */
  readonly text: string;
}

export interface GcPlan {
  /** A digest of what was decided and on which record: equal worlds make equal ids. */
  readonly id: string;
  readonly appliance: string;
  /** The `latest` record the plan is based on. */
  readonly seq: number;
  /** One for each version of the history and each that is retired, newest first. */
  readonly decisions: readonly GcDecision[];
}

/** Decides for each version whether it may go. Pure; in doubt it keeps. */
export function planGc(world: GcWorld, policy: GcPolicy): GcPlan {
  const newestFirst = [...world.history, ...world.retired]
    .map((entry, position) => ({ entry, position }))
    // Stable for equal times: the record's own order counts.
    .sort((a, b) => b.entry.published - a.entry.published || a.position - b.position)
    .map(({ entry }) => entry);
  // After a rollback the current version is not the newest; it is the first to keep all the same.
  const byRank = [...newestFirst].sort(
    (a, b) => Number(b.version === world.current) - Number(a.version === world.current),
  );
  const keptByRank = new Set(byRank.slice(0, policy.keep).map(({ version }) => version));
  const decisions = newestFirst.map((entry, position): GcDecision => {
    // It stopped being current, at the latest, when the version after it was published.
    const replaced = newestFirst[position - 1]?.published ?? world.published;
    const root = rootOf(entry, keptByRank, replaced, world, policy);
    if (root !== undefined) return { version: entry.version, decision: 'keep', ...root };
    const unused = world.retired.includes(entry)
      ? { reason: 'RETIRED' as const, text: 'an interrupted gc retired it, and nobody uses it' }
      : { reason: 'UNUSED' as const, text: 'nobody uses it' };
    return { version: entry.version, decision: 'delete', ...unused };
  });
  return { id: planId(world, decisions), appliance: world.appliance, seq: world.seq, decisions };
}

/** The versions a plan keeps although an earlier gc retired them. */
export function versionsToRestore(plan: GcPlan, { retired }: Pick<GcWorld, 'retired'>): string[] {
  const kept = plan.decisions.filter(({ decision }) => decision === 'keep');
  return kept
    .map(({ version }) => version)
    .filter((version) => retired.some((entry) => entry.version === version));
}

/** The versions a plan deletes. */
export function versionsToDelete(plan: GcPlan): string[] {
  return plan.decisions
    .filter(({ decision }) => decision === 'delete')
    .map(({ version }) => version);
}

type Root = Pick<GcDecision, 'reason' | 'text'>;

function rootOf(
  { version }: GcWorld['history'][number],
  keptByRank: ReadonlySet<string>,
  replaced: number,
  world: GcWorld,
  policy: GcPolicy,
): Root | undefined {
  if (version === world.current) return { reason: 'CURRENT', text: 'current version' };
  if (world.inFlight.includes(version)) {
    return { reason: 'IN_FLIGHT', text: 'a publish of it has begun and not ended' };
  }
  if (policy.pins.includes(version)) return { reason: 'PINNED', text: 'pinned' };
  const channel = Object.entries(world.channels).find(([, target]) => target === version);
  if (channel !== undefined) return { reason: 'CHANNEL', text: `channel ${channel[0]}` };
  const sharers = world.sharers.get(version);
  if (sharers !== undefined && sharers.count > 0) {
    return {
      reason: 'SHARERS',
      text: sharers.count === 1 ? '1 sharer' : `${sharers.count} sharers`,
    };
  }
  if (sharers?.complete !== true) {
    return { reason: 'UNREACHABLE', text: 'sharers cannot be counted, so it counts as in use' };
  }
  if (keptByRank.has(version)) {
    return { reason: 'KEPT', text: `one of the ${policy.keep} newest` };
  }
  const graceLeft = replaced + policy.graceSeconds * 1000 - world.now;
  if (graceLeft > 0) {
    return { reason: 'GRACE', text: `in grace for ${Math.ceil(graceLeft / 1000)} s more` };
  }
  return undefined;
}

/** Counts of sharers are left out: 3 or 4 of them keep a version alike. */
function planId(world: GcWorld, decisions: readonly GcDecision[]): string {
  const essence = [
    world.appliance,
    world.seq,
    decisions.map(({ version, decision }) => [version, decision]),
  ];
  return createHash('sha256').update(encodeCbor(essence)).digest('hex').slice(0, 16);
}
