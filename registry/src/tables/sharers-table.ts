import type { Clock } from '../clock.ts';
import { RecordRefusal } from '../errors.ts';
import { sharersKey } from '../kad-key.ts';
import type { Lease, Sharer } from '../records/lease.ts';
import { decodeCbor, encodeCbor } from '../records/signed-record.ts';
import type { Store } from '../store.ts';
import { z } from 'zod';

/** Above this many sharers an answer carries the count and only a part of the set. */
export const MAX_LISTED_SHARERS = 1024;
/** How many leases of one version a single client can hold on a node. */
export const MAX_LEASES_PER_CLIENT = 256;
/** How many leases of one version a node holds. */
export const MAX_LEASES_PER_VERSION = 100_000;

interface HeldLease extends Sharer {
  expires: number;
  ttlSeconds: number;
}

const storedLeaseSchema = z.tuple([z.string(), z.string(), z.number()]);

type LeaseSet = Map<string, HeldLease>;

/**
 * The leases one storing node holds. The live set is in memory; the disk has who holds a lease
 * and for how long at a time, so that a restarted node gives each a full TTL again: forgetting a
 * sharer could delete an image in use, remembering one too long only delays a deletion.
 */
export class SharersTable {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #sets = new Map<string, LeaseSet>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    for (const [key, bytes] of store.entries('sharers/')) this.#restore(key, bytes);
  }

  get(appliance: string, version: string): { count: number; sharers: Sharer[] } {
    const set = this.#liveSet(storePrefix(appliance, version));
    const sharers: Sharer[] = [];
    for (const { client, lease } of set.values()) {
      if (sharers.length === MAX_LISTED_SHARERS) break;
      sharers.push({ client, lease });
    }
    return { count: set.size, sharers };
  }

  /**
   * Grants or refreshes `client`'s lease; a new one is durable when this resolves.
   * Returns in how many seconds the client shall refresh it.
   *
   * @throws RecordRefusal QUOTA_EXCEEDED
   */
  async put(client: string, request: Lease): Promise<number> {
    const { appliance, version, lease, ttlSeconds } = request;
    const prefix = storePrefix(appliance, version);
    const set = this.#liveSet(prefix);
    const name = leaseName(client, lease);
    const held = set.get(name);
    const expires = this.#clock.now() + ttlSeconds * 1000;
    if (held?.ttlSeconds === ttlSeconds) {
      // A refresh needs no disk: a restart starts the TTL anew anyway.
      held.expires = expires;
      return ttlSeconds / 2;
    }
    if (held === undefined) checkQuota(set, client);
    set.set(name, { client, lease, expires, ttlSeconds });
    this.#sets.set(prefix, set);
    await this.#store.put(prefix + name, encodeCbor([client, lease, ttlSeconds]));
    return ttlSeconds / 2;
  }

  /** Ends the lease at once; none there is fine. */
  async release(
    client: string,
    { appliance, version, lease }: Omit<Lease, 'ttlSeconds'>,
  ): Promise<void> {
    const prefix = storePrefix(appliance, version);
    const name = leaseName(client, lease);
    if (!this.#liveSet(prefix).delete(name)) return;
    await this.#store.remove(prefix + name);
  }

  #liveSet(prefix: string): LeaseSet {
    const set = this.#sets.get(prefix) ?? new Map<string, HeldLease>();
    const now = this.#clock.now();
    for (const [name, { expires }] of set) {
      if (expires > now) continue;
      set.delete(name);
      void this.#store.remove(prefix + name);
    }
    if (set.size === 0) this.#sets.delete(prefix);
    return set;
  }

  #restore(key: string, bytes: Uint8Array): void {
    const [client, lease, ttlSeconds] = storedLeaseSchema.parse(decodeCbor(bytes));
    const prefix = key.slice(0, key.lastIndexOf('/') + 1);
    const set = this.#sets.get(prefix) ?? new Map<string, HeldLease>();
    const expires = this.#clock.now() + ttlSeconds * 1000;
    set.set(leaseName(client, lease), { client, lease, expires, ttlSeconds });
    this.#sets.set(prefix, set);
  }
}

function checkQuota(set: LeaseSet, client: string): void {
  if (set.size >= MAX_LEASES_PER_VERSION) {
    throw new RecordRefusal('QUOTA_EXCEEDED', `the node holds ${set.size} leases of it already`);
  }
  let own = 0;
  for (const held of set.values()) if (held.client === client) own += 1;
  if (own >= MAX_LEASES_PER_CLIENT) {
    throw new RecordRefusal('QUOTA_EXCEEDED', `${client} holds ${own} leases of it already`);
  }
}

function storePrefix(appliance: string, version: string): string {
  return `sharers/${Buffer.from(sharersKey(appliance, version)).toString('hex')}/`;
}

function leaseName(client: string, lease: string): string {
  return `${client}.${lease}`;
}
