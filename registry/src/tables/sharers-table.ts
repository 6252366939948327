import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { RecordRefusal } from '../errors.ts';
import { sharersKey } from '../kad-key.ts';
import type { Lease, Sharer } from '../records/lease.ts';
import { decodeCbor, encodeCbor } from '../records/signed-record.ts';
import type { Store } from '../store.ts';

/** Above this many sharers an answer carries the count and only a part of the set. */
export const MAX_LISTED_SHARERS = 1024;
/** How many leases of one version a single client can hold on a node. */
export const MAX_LEASES_PER_CLIENT = 256;
/** How many clients can hold leases of one version on a node. */
export const MAX_CLIENTS_PER_VERSION = 100_000;
/** How often ended leases are swept out of versions that nobody asks about. */
const SWEEP_INTERVAL_MS = 60_000;

interface Term {
  /** By this node's clock, milliseconds since the epoch. */
  expires: number;
  readonly ttlSeconds: number;
}

/** Client -> lease name -> term. */
type LeaseSet = Map<string, Map<string, Term>>;

const storedLeaseSchema = z.tuple([z.string(), z.string(), z.number()]);

/**
 * The leases one storing node holds. The live set is in memory; the disk has who holds a lease
 * and for how long at a time, so that a restarted node gives each a full TTL again: forgetting a
 * sharer could delete an image in use, remembering one too long only delays a deletion.
 */
export class SharersTable {
  readonly #store: Store;
  readonly #clock: Clock;
  /** By store prefix, one set for each version. */
  readonly #sets = new Map<string, LeaseSet>();
  #sweptAt: number;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#sweptAt = clock.now();
    for (const [key, bytes] of store.entries('sharers/')) this.#restore(key, bytes);
  }

  get(appliance: string, version: string): { count: number; sharers: Sharer[] } {
    const prefix = storePrefix(appliance, version);
    this.#sweep(prefix);
    const sharers: Sharer[] = [];
    let count = 0;
    for (const [client, leases] of this.#sets.get(prefix) ?? []) {
      count += leases.size;
      for (const lease of leases.keys()) {
        if (sharers.length < MAX_LISTED_SHARERS) sharers.push({ client, lease });
      }
    }
    return { count, sharers };
  }

  /**
   * Grants or refreshes `client`'s lease; a new one is durable when this resolves.
   * Returns in how many seconds the client shall refresh it.
   *
   * @throws RecordRefusal QUOTA_EXCEEDED
   */
  async put(client: string, request: Lease): Promise<number> {
    this.#sweepAllNowAndThen();
    const { appliance, version, lease, ttlSeconds } = request;
    const prefix = storePrefix(appliance, version);
    const held = this.#sets.get(prefix)?.get(client)?.get(lease);
    const expires = this.#clock.now() + ttlSeconds * 1000;
    if (held?.ttlSeconds === ttlSeconds) {
      // A refresh needs no disk: a restart starts the TTL anew anyway.
      held.expires = expires;
      return ttlSeconds / 2;
    }
    this.#grant(prefix, client, lease, { expires, ttlSeconds });
    await this.#store.put(leaseKey(prefix, client, lease), encodeCbor([client, lease, ttlSeconds]));
    return ttlSeconds / 2;
  }

  /** Ends the lease at once; none there is fine. */
  async release(
    client: string,
    { appliance, version, lease }: Omit<Lease, 'ttlSeconds'>,
  ): Promise<void> {
    const prefix = storePrefix(appliance, version);
    if (this.#sets.get(prefix)?.get(client)?.has(lease) !== true) return;
    await this.#end(prefix, client, lease);
  }

  #grant(prefix: string, client: string, lease: string, term: Term): void {
    const set: LeaseSet = this.#sets.get(prefix) ?? new Map<string, Map<string, Term>>();
    const leases = set.get(client) ?? new Map<string, Term>();
    if (leases.size >= MAX_LEASES_PER_CLIENT && !leases.has(lease)) {
      throw new RecordRefusal('QUOTA_EXCEEDED', `${client} holds ${leases.size} leases already`);
    }
    if (set.size >= MAX_CLIENTS_PER_VERSION && !set.has(client)) {
      throw new RecordRefusal('QUOTA_EXCEEDED', `${set.size} clients hold leases here already`);
    }
    leases.set(lease, term);
    set.set(client, leases);
    this.#sets.set(prefix, set);
  }

  #end(prefix: string, client: string, lease: string): Promise<void> {
    const set = this.#sets.get(prefix);
    const leases = set?.get(client);
    leases?.delete(lease);
    if (leases?.size === 0) set?.delete(client);
    if (set?.size === 0) this.#sets.delete(prefix);
    return this.#store.remove(leaseKey(prefix, client, lease));
  }

  #sweep(prefix: string): void {
    const now = this.#clock.now();
    for (const [client, leases] of this.#sets.get(prefix) ?? []) {
      for (const [lease, { expires }] of leases) {
        // Not waited for: if it stays on disk, a restart only prolongs it by one TTL.
        if (expires <= now) void this.#end(prefix, client, lease);
      }
    }
  }

  #sweepAllNowAndThen(): void {
    if (this.#clock.now() - this.#sweptAt < SWEEP_INTERVAL_MS) return;
    this.#sweptAt = this.#clock.now();
    for (const prefix of [...this.#sets.keys()]) this.#sweep(prefix);
  }

  #restore(key: string, bytes: Uint8Array): void {
    const [client, lease, ttlSeconds] = storedLeaseSchema.parse(decodeCbor(bytes));
    const prefix = key.slice(0, key.lastIndexOf('/') + 1);
    const expires = this.#clock.now() + ttlSeconds * 1000;
    this.#grant(prefix, client, lease, { expires, ttlSeconds });
  }
}

function storePrefix(appliance: string, version: string): string {
  return `sharers/${Buffer.from(sharersKey(appliance, version)).toString('hex')}/`;
}

function leaseKey(prefix: string, client: string, lease: string): string {
  return `${prefix}${client}.${lease}`;
}
