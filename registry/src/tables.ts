import type { Clock } from './clock.ts';
import { RecordRefusal } from './errors.ts';
import { latestKey, serversKey, sharersKey } from './kad-key.ts';
import { ALL_ANSWERED, everyone, outcomesOf, readUntil } from './placement.ts';
import type { Peer, ResponseOf } from './protocol/messages.ts';
import { answersOf, readQuorum, type Outcome } from './quorum.ts';
import { compareLatest, openLatest, validateLatest, type SignedLatest } from './records/latest.ts';
import type { Lease, Sharer } from './records/lease.ts';
import {
  compareServerEntries,
  isEndorsed,
  validateServerEntry,
  type SignedServerEntry,
} from './records/server-entry.ts';
import { sameBytes } from './records/signed-record.ts';
import type { Replicas, WriteReport } from './replicas.ts';
import { unionOfSharers } from './sharers/union.ts';
import type { Store } from './store.ts';

/** How far a read got. */
export interface ReadReport {
  /** How many replicas answered before the read did. */
  readonly answered: number;
  readonly replicas: number;
  /** What the reader refused, from whichever node: forged, rolled back, expired records. */
  readonly refusals: readonly RecordRefusal[];
}

/** The newest acceptable `latest` record, if any node had one. */
export interface LatestRead extends ReadReport {
  readonly record: SignedLatest | undefined;
  /** The newest one that is refused only because it expired: what its publisher builds on. */
  readonly expired: SignedLatest | undefined;
}

/** The servers of a version, publisher-endorsed first; tombstones are applied and left out. */
export interface ServersRead extends ReadReport {
  readonly entries: readonly SignedServerEntry[];
}

/** A lease that was granted by a majority of the nodes responsible for it. */
export interface LeaseGrant {
  /** In how many seconds the storing nodes want to hear again. */
  readonly refreshSeconds: number;
  /** The nodes it was put to. */
  readonly holders: readonly Peer[];
}

/** How widely one record is held. */
export interface HoldersRead {
  readonly holders: number;
  readonly replicas: number;
}

/** Who uses a version. */
export interface SharersRead {
  /** How many leases are held; never 0 while a node tells of one. */
  readonly count: number;
  /** Whether `sharers` are all of them; above some thousand they are counted, not named. */
  readonly exact: boolean;
  readonly sharers: readonly Sharer[];
  /** False when too few nodes answered to rule out leases that only the others know. */
  readonly complete: boolean;
}

/** What the tables are made of. */
export interface TablesInit {
  readonly replicas: Replicas;
  /** Keeps the reader's floors of `seq`. */
  readonly store: Store;
  readonly clock: Clock;
  /** Whether this node is cut off from a network it was told to be part of. */
  readonly isCutOff: () => boolean;
}

/**
 * The three tables as any node sees them: writes go to the closest nodes and count when a majority
 * took them; reads ask the same nodes, answer at a quorum and repair the stale ones. Every record
 * is judged here again, by the same functions as at the storing nodes: those may lie.
 */
export class Tables {
  readonly #replicas: Replicas;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #isCutOff: () => boolean;

  constructor(init: TablesInit) {
    this.#replicas = init.replicas;
    this.#store = init.store;
    this.#clock = init.clock;
    this.#isCutOff = init.isCutOff;
  }

  /** Whether this node was told of a network and reaches none of it: what it has not heard may exist. */
  get isCutOff(): boolean {
    return this.#isCutOff();
  }

  /** The newest record of an appliance this node has ever accepted; survives restarts. */
  newestSeen(appliance: string): SignedLatest | undefined {
    const bytes = this.#store.get(floorKey(appliance));
    return bytes === undefined ? undefined : openLatest(bytes, appliance);
  }

  /** @throws RecordRefusal; RegistryError QUORUM_NOT_REACHED, REGISTRY_UNREACHABLE */
  async putLatest(record: SignedLatest): Promise<WriteReport> {
    const { appliance } = record.payload;
    // The floor is durable before anyone hears of the record: its seq is never signed twice.
    await this.#raiseFloor(this.#judgeLatest(appliance, record.bytes));
    const placement = await this.#replicas.place(latestKey(appliance));
    return this.#replicas.write<'put-latest'>(placement, {
      op: 'put-latest',
      appliance,
      record: record.bytes,
    });
  }

  /** @throws RegistryError REGISTRY_UNREACHABLE; RecordRefusal EQUIVOCATION */
  async getLatest(appliance: string): Promise<LatestRead> {
    const placement = await this.#replicas.place(latestKey(appliance));
    const { replicas } = placement;
    const judge = (outcomes: readonly Outcome<Peer, ResponseOf<'get-latest'>>[]) =>
      this.#newest(appliance, outcomes);
    const outcomes = await this.#replicas.read<'get-latest'>(
      everyone(placement),
      { op: 'get-latest', appliance },
      readUntil<'get-latest'>(placement, (sofar) => judge(sofar).record !== undefined),
      async (all) => {
        const { record } = judge(all);
        if (record !== undefined) await this.#repairLatest(record, outcomesOf(replicas, all));
      },
    );
    const { record, expired, refusals } = judge(outcomes);
    if (record !== undefined) await this.#raiseFloor(record);
    return {
      record,
      expired,
      refusals,
      answered: answersOf(outcomesOf(replicas, outcomes)).length,
      replicas: replicas.length,
    };
  }

  /** On how many of its nodes exactly this record is found, asking all of them. */
  async countLatestHolders(record: SignedLatest): Promise<HoldersRead> {
    const { appliance } = record.payload;
    const { replicas } = await this.#replicas.place(latestKey(appliance));
    const request = { op: 'get-latest', appliance } as const;
    const outcomes = await this.#replicas.read<'get-latest'>(replicas, request, ALL_ANSWERED);
    const holders = answersOf(outcomes).filter(
      ({ answer }) => answer.record !== null && sameBytes(answer.record, record.bytes),
    );
    return { holders: holders.length, replicas: replicas.length };
  }

  /** @throws RecordRefusal; RegistryError QUORUM_NOT_REACHED, REGISTRY_UNREACHABLE */
  async putServer(entry: SignedServerEntry): Promise<WriteReport> {
    const { appliance, version } = entry.payload;
    const placement = await this.#replicas.place(serversKey(appliance, version));
    return this.#replicas.write<'put-server'>(placement, {
      op: 'put-server',
      appliance,
      version,
      record: entry.bytes,
    });
  }

  /** @throws RegistryError REGISTRY_UNREACHABLE */
  async getServers(appliance: string, version: string): Promise<ServersRead> {
    const { entries, ...report } = await this.getServerRecords(appliance, version);
    return { entries: entries.filter(({ payload }) => !payload.withdrawn), ...report };
  }

  /** As `getServers`, tombstones included: whoever replaces an entry must know its seq. */
  async getServerRecords(appliance: string, version: string): Promise<ServersRead> {
    const placement = await this.#replicas.place(serversKey(appliance, version));
    const { replicas } = placement;
    const quorum = readQuorum(replicas.length);
    const judge = (outcomes: readonly Outcome<Peer, ResponseOf<'get-servers'>>[]) =>
      this.#newestOfEachServer(appliance, version, outcomes);
    const outcomes = await this.#replicas.read<'get-servers'>(
      everyone(placement),
      { op: 'get-servers', appliance, version },
      readUntil<'get-servers'>(
        placement,
        (sofar) =>
          answersOf(sofar).filter(({ answer }) => answer.records.length > 0).length >= quorum,
      ),
      (all) => this.#repairServers([...judge(all).newest.values()], outcomesOf(replicas, all)),
    );
    const { newest, refusals } = judge(outcomes);
    const entries = [...newest.values()].sort(
      (a, b) => Number(isEndorsed(b)) - Number(isEndorsed(a)),
    );
    const answered = answersOf(outcomesOf(replicas, outcomes)).length;
    return { entries, refusals, answered, replicas: replicas.length };
  }

  /** On how many of its nodes exactly this entry is found, asking all of them. */
  async countServerHolders(entry: SignedServerEntry): Promise<HoldersRead> {
    const { appliance, version } = entry.payload;
    const { replicas } = await this.#replicas.place(serversKey(appliance, version));
    const request = { op: 'get-servers', appliance, version } as const;
    const outcomes = await this.#replicas.read<'get-servers'>(replicas, request, ALL_ANSWERED);
    const holders = answersOf(outcomes).filter(({ answer }) =>
      answer.records.some((bytes) => sameBytes(bytes, entry.bytes)),
    );
    return { holders: holders.length, replicas: replicas.length };
  }

  /**
   * Counts this node as a sharer for `ttlSeconds` from receipt.
   *
   * @throws RecordRefusal QUOTA_EXCEEDED; RegistryError QUORUM_NOT_REACHED, REGISTRY_UNREACHABLE
   */
  async putLease({ appliance, version, lease, ttlSeconds }: Lease): Promise<LeaseGrant> {
    const key = sharersKey(appliance, version);
    const placement = await this.#replicas.place(key);
    // On the small side of a split the nearest within reach are not those that the others ask.
    const members = this.#replicas.members(key, placement.replicas, []);
    const { answers } = await this.#replicas.write<'put-lease'>(
      placement,
      { op: 'put-lease', appliance, version, lease, ttlSeconds },
      members,
    );
    return {
      refreshSeconds: Math.min(...answers.map(({ refreshSeconds }) => refreshSeconds)),
      holders: everyone(placement),
    };
  }

  /**
   * Ends a lease at once, on every node that answers: those responsible now, slow ones among them,
   * and `holders`, those that the lease was last put to. Hung ones are told, too, but not waited for.
   */
  async releaseLease(
    { appliance, version, lease }: Omit<Lease, 'ttlSeconds'>,
    holders: readonly Peer[] = [],
  ): Promise<void> {
    const key = sharersKey(appliance, version);
    const { replicas, witnesses, missing } = await this.#replicas.place(key);
    const told = everyone({ replicas, witnesses: [...witnesses, ...missing, ...holders] });
    await this.#replicas.read<'release-lease'>(
      told,
      { op: 'release-lease', appliance, version, lease },
      { enough: () => false, acceptable: (sofar) => answersOf(sofar).length > told.length / 2 },
    );
  }

  /**
   * Deleting hangs on it: whoever is slow is waited for a while even when a majority has answered,
   * and without a majority everyone is, up to the request timeout.
   */
  async getSharers(appliance: string, version: string): Promise<SharersRead> {
    const key = sharersKey(appliance, version);
    const placement = await this.#replicas.place(key);
    const { replicas } = placement;
    const isMajority = (outcomes: readonly Outcome<Peer, ResponseOf<'get-sharers'>>[]): boolean => {
      const answered = answersOf(outcomes);
      // Who has just joined does not know who was lost before: those who were there tell.
      const lost = answered.flatMap(({ answer }) => answer.absent);
      const members = this.#replicas.members(key, replicas, lost);
      const sure = answered.filter(({ answer }) => !answer.unsure);
      const heard = new Set(sure.map(({ replica }) => replica.id));
      return members.filter(({ id }) => heard.has(id)).length > members.length / 2;
    };
    const outcomes = await this.#replicas.read<'get-sharers'>(
      everyone(placement),
      { op: 'get-sharers', appliance, version },
      { enough: () => false, acceptable: isMajority },
    );
    return {
      ...unionOfSharers(answersOf(outcomes).map(({ answer }) => answer)),
      complete: !this.#isCutOff() && isMajority(outcomes),
    };
  }

  #judgeLatest(appliance: string, bytes: Uint8Array): SignedLatest {
    const now = this.#clock.now();
    return validateLatest(bytes, { appliance, now, floor: this.newestSeen(appliance) });
  }

  #newest(
    appliance: string,
    outcomes: readonly Outcome<Peer, ResponseOf<'get-latest'>>[],
  ): Pick<LatestRead, 'record' | 'expired'> & { refusals: RecordRefusal[] } {
    const refusals: RecordRefusal[] = [];
    let record: SignedLatest | undefined;
    let expired: SignedLatest | undefined;
    for (const { answer } of answersOf(outcomes)) {
      const bytes = answer.record;
      if (bytes === null || (record !== undefined && sameBytes(record.bytes, bytes))) continue;
      const judged = refusalsTo(refusals, () => this.#judgeLatest(appliance, bytes));
      if (judged === undefined) {
        // EXPIRED is judged last: everything else about it is in order.
        if (refusals.at(-1)?.code === 'EXPIRED') {
          const old = openLatest(bytes, appliance);
          if (expired === undefined || compareLatest(expired, old) < 0) expired = old;
        }
        continue;
      }
      const order = record === undefined ? -1 : compareLatest(record, judged);
      if (order === 0) {
        refusals.push(
          new RecordRefusal(
            'EQUIVOCATION',
            `the publisher of ${appliance} signed two different records with seq ${judged.payload.seq}`,
          ),
        );
      }
      if (order < 0) record = judged;
    }
    return { record, expired, refusals };
  }

  #newestOfEachServer(
    appliance: string,
    version: string,
    outcomes: readonly Outcome<Peer, ResponseOf<'get-servers'>>[],
  ): { newest: ReadonlyMap<string, SignedServerEntry>; refusals: RecordRefusal[] } {
    const refusals: RecordRefusal[] = [];
    const newest = new Map<string, SignedServerEntry>();
    const judged = new Set<string>();
    const keyProofs = this.newestSeen(appliance)?.payload;
    const context = { appliance, version, now: this.#clock.now(), keyProofs };
    for (const bytes of answersOf(outcomes).flatMap(({ answer }) => answer.records)) {
      // The replicas mostly hold the same bytes: one signature check is enough for all.
      const name = Buffer.from(bytes).toString('latin1');
      if (judged.has(name)) continue;
      judged.add(name);
      const entry = refusalsTo(refusals, () => validateServerEntry(bytes, context));
      if (entry === undefined) continue;
      const held = newest.get(entry.payload.server);
      if (held === undefined || compareServerEntries(held, entry) < 0) {
        newest.set(entry.payload.server, entry);
      }
    }
    return { newest, refusals };
  }

  async #repairServers(
    entries: readonly SignedServerEntry[],
    outcomes: readonly Outcome<Peer, ResponseOf<'get-servers'>>[],
  ): Promise<void> {
    const repairs = answersOf(outcomes).flatMap(({ replica, answer }) =>
      entries
        .filter(({ bytes }) => !answer.records.some((held) => sameBytes(held, bytes)))
        .map(({ payload: { appliance, version }, bytes: record }) =>
          this.#replicas.ask<'put-server'>(replica, {
            op: 'put-server',
            appliance,
            version,
            record,
          }),
        ),
    );
    await Promise.allSettled(repairs);
  }

  async #repairLatest(
    record: SignedLatest,
    outcomes: readonly Outcome<Peer, ResponseOf<'get-latest'>>[],
  ): Promise<void> {
    const stale = answersOf(outcomes).filter(
      ({ answer }) => answer.record === null || !sameBytes(answer.record, record.bytes),
    );
    const { appliance } = record.payload;
    await Promise.allSettled(
      stale.map(({ replica }) =>
        this.#replicas.ask<'put-latest'>(replica, {
          op: 'put-latest',
          appliance,
          record: record.bytes,
        }),
      ),
    );
  }

  async #raiseFloor(record: SignedLatest): Promise<void> {
    const { appliance } = record.payload;
    const floor = this.newestSeen(appliance);
    if (floor !== undefined && compareLatest(floor, record) >= 0) return;
    await this.#store.put(floorKey(appliance), record.bytes);
  }
}

function floorKey(appliance: string): string {
  return `floor/${appliance}`;
}

/** Runs `judge`; a refusal is noted and answered with undefined. */
function refusalsTo<T>(refusals: RecordRefusal[], judge: () => T): T | undefined {
  try {
    return judge();
  } catch (error) {
    if (!(error instanceof RecordRefusal)) throw error;
    refusals.push(error);
    return undefined;
  }
}
