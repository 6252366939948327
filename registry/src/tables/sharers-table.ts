import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { RecordRefusal } from '../errors.ts';
import { sharersKey } from '../kad-key.ts';
import type { Lease, Sharer } from '../records/lease.ts';
import { decodeCbor, encodeCbor } from '../records/signed-record.ts';
import { ClientCounts } from '../sharers/client-counts.ts';
import { clientHash } from '../sharers/lease-hash.ts';
import { type SharersCount, VersionLeases } from '../sharers/version-leases.ts';
import type { Store } from '../store.ts';

/** How many leases one client can hold on a node, of all versions: by so much it raises a count. */
export const MAX_LEASES_PER_CLIENT = 256;
/** How many leases a node holds, of all versions: below 128 MiB. */
export const MAX_LEASES = 2 ** 21;
/** How often ended leases are swept out of versions that nobody asks about. */
const SWEEP_INTERVAL_MS = 60_000;

const storedLeaseSchema = z.tuple([z.string(), z.string(), z.number()]);
const storedCrowdSchema = z.number();

/**
 * The leases one storing node holds. The live set is in memory. Of few leases of a version the disk
 * has who holds one and for how long at a time, so that a restarted node gives each a full TTL again:
 * forgetting a sharer could delete an image in use, remembering one too long only delays a deletion.
 * Of many it has only that they are many, and the longest TTL: a restarted node says for so long that
 * it does not know who uses the version. So the disk is not written for each lease of a crowd.
 */
export class SharersTable {
  readonly #store: Store;
  readonly #clock: Clock;
  /** By store prefix. */
  readonly #versions = new Map<string, VersionLeases>();
  readonly #clients = new ClientCounts();
  /** By store prefix: crowds that are not on disk yet. */
  readonly #crowdWrites = new Map<string, Promise<void>>();
  #sweptAt: number;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#sweptAt = clock.now();
    for (const [key, bytes] of store.entries('sharers/')) {
      const [client, lease, ttlSeconds] = storedLeaseSchema.parse(decodeCbor(bytes));
      const leases = this.#leasesAt(key.slice(0, key.lastIndexOf('/') + 1));
      leases.restore({ client, lease }, ttlSeconds, clock.now());
      this.#clients.increment(clientHash(client));
    }
    for (const [key, bytes] of store.entries('crowds/')) {
      const ttlSeconds = storedCrowdSchema.parse(decodeCbor(bytes));
      const prefix = `sharers/${key.slice('crowds/'.length)}/`;
      this.#leasesAt(prefix).forgetCrowd(ttlSeconds, clock.now());
    }
  }

  /** What this node knows of a version's sharers. */
  get(appliance: string, version: string): SharersCount {
    const prefix = storePrefix(appliance, version);
    const leases = this.#versions.get(prefix);
    if (leases === undefined) return { count: 0, sharers: [], sketch: null, unsure: false };
    this.#sweep(prefix, leases);
    return leases.count(this.#clock.now());
  }

  /**
   * Grants or refreshes `client`'s lease; what a restart must know of it is durable when this resolves.
   * Returns in how many seconds the client shall refresh it.
   *
   * @throws RecordRefusal QUOTA_EXCEEDED
   */
  async put(client: string, request: Lease): Promise<number> {
    this.#sweepAllNowAndThen();
    const { appliance, version, lease, ttlSeconds } = request;
    const prefix = storePrefix(appliance, version);
    const held = this.#versions.get(prefix);
    if (held?.has({ client, lease }) !== true) this.#checkRoom(client);
    const leases = held ?? this.#leasesAt(prefix);
    const granted = leases.grant({ client, lease }, ttlSeconds, this.#clock.now());
    if (granted.isNew) this.#clients.increment(clientHash(client));
    if (granted.crowdTtlSeconds !== undefined) this.#writeCrowd(prefix, granted.crowdTtlSeconds);
    const terms = encodeCbor([client, lease, ttlSeconds]);
    await Promise.all([
      // Whoever joins a crowd relies on its write, which may be another's.
      granted.isNamed ? undefined : this.#crowdWrites.get(prefix),
      granted.isWritten ? this.#store.put(leaseKey(prefix, { client, lease }), terms) : undefined,
    ]);
    await Promise.all(
      granted.unnamed.map((sharer) => this.#store.remove(leaseKey(prefix, sharer))),
    );
    return granted.refreshSeconds;
  }

  /** Ends the lease at once; none there is fine. */
  async release(
    client: string,
    { appliance, version, lease }: Omit<Lease, 'ttlSeconds'>,
  ): Promise<void> {
    const prefix = storePrefix(appliance, version);
    const leases = this.#versions.get(prefix);
    const end = leases?.end({ client, lease });
    if (leases === undefined || end === undefined) return;
    this.#clients.decrement(clientHash(client));
    if (end === 'named') await this.#store.remove(leaseKey(prefix, { client, lease }));
    this.#sweep(prefix, leases);
  }

  #writeCrowd(prefix: string, ttlSeconds: number): void {
    const write = this.#store.put(crowdKey(prefix), encodeCbor(ttlSeconds)).finally(() => {
      if (this.#crowdWrites.get(prefix) === write) this.#crowdWrites.delete(prefix);
    });
    this.#crowdWrites.set(prefix, write);
  }

  #checkRoom(client: string): void {
    const held = this.#clients.of(clientHash(client));
    if (held >= MAX_LEASES_PER_CLIENT) {
      throw new RecordRefusal('QUOTA_EXCEEDED', `${client} holds ${held} leases already`);
    }
    if (this.#clients.total >= MAX_LEASES) {
      throw new RecordRefusal('QUOTA_EXCEEDED', `${MAX_LEASES} leases are held here already`);
    }
  }

  #leasesAt(prefix: string): VersionLeases {
    const leases = this.#versions.get(prefix) ?? new VersionLeases();
    this.#versions.set(prefix, leases);
    return leases;
  }

  #sweep(prefix: string, leases: VersionLeases): void {
    const now = this.#clock.now();
    leases.sweep(
      now,
      (sharer) => {
        this.#clients.decrement(clientHash(sharer.client));
        // Not waited for: if it stays on disk, a restart only prolongs it by one TTL.
        void this.#store.remove(leaseKey(prefix, sharer));
      },
      (client) => this.#clients.decrement(client),
    );
    if (leases.dropEmptyCrowd(now)) void this.#store.remove(crowdKey(prefix));
    if (leases.isForgotten) this.#versions.delete(prefix);
  }

  #sweepAllNowAndThen(): void {
    if (this.#clock.now() - this.#sweptAt < SWEEP_INTERVAL_MS) return;
    this.#sweptAt = this.#clock.now();
    for (const [prefix, leases] of [...this.#versions]) this.#sweep(prefix, leases);
  }
}

function storePrefix(appliance: string, version: string): string {
  return `sharers/${Buffer.from(sharersKey(appliance, version)).toString('hex')}/`;
}

function leaseKey(prefix: string, { client, lease }: Sharer): string {
  return `${prefix}${client}.${lease}`;
}

function crowdKey(prefix: string): string {
  return `crowds/${prefix.slice('sharers/'.length, -1)}`;
}
