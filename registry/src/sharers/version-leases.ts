import { MAX_LEASE_TTL_SECONDS, type Sharer } from '../records/lease.ts';
import { HyperLogLog } from './hyperloglog.ts';
import { LeaseCrowd } from './lease-crowd.ts';
import { clientHash, isSampled, leaseHash } from './lease-hash.ts';

/** Above so many leases of a version their names are not kept. */
export const MAX_NAMED = 1024;
/** A new lease is named again once there are so few. */
const NAMED_AGAIN = MAX_NAMED / 2;
/** Above so many leases only a sample of them, between this many and half of it, is refreshed soon. */
export const MAX_SAMPLE = 2 ** 16;
/** How old an answer about a crowd may be. */
const CROWD_ANSWER_MS = 1000;

/** What one storing node tells of the sharers of a version. */
export interface SharersCount {
  /** Exact up to `MAX_SAMPLE` leases, else estimated from the sample. */
  readonly count: number;
  /** All of them, as long as there is no sketch; else those whose names are known. */
  readonly sharers: Sharer[];
  /** The registers of a HyperLogLog of all leases, when there are too many to name. */
  readonly sketch: Uint8Array | null;
  /** The node was restarted and does not know of leases that it granted before. */
  readonly unsure: boolean;
}

/** What came of granting a lease, and what must be brought to disk for it. */
export interface Granted {
  readonly isNew: boolean;
  readonly refreshSeconds: number;
  readonly isNamed: boolean;
  /** Whether its name and TTL are to be written. */
  readonly isWritten: boolean;
  /** To be written as the longest TTL of the crowd. */
  readonly crowdTtlSeconds: number | undefined;
  /** To be removed once that is written. */
  readonly unnamed: readonly Sharer[];
}

interface Term extends Sharer {
  expires: number;
  readonly ttlSeconds: number;
}

/**
 * The live leases of one version: with names while they are few, above that as hashes. Of very many
 * only a sample, chosen by hash, is refreshed at half its TTL; the others are told to come
 * back late, and are given the longest TTL there is until then.
 */
export class VersionLeases {
  readonly #named = new Map<string, Term>();
  #crowd: LeaseCrowd | undefined;
  /** Of the crowd; what the disk has. */
  #crowdTtlSeconds = 0;
  /** Until then, in ms since the epoch, leases may be live that nobody here knows of. */
  #unsureUntil = 0;
  #crowdSweptAt = 0;
  #answer: { readonly at: number; readonly count: SharersCount } | undefined;

  get size(): number {
    return this.#named.size + (this.#crowd?.size ?? 0);
  }

  /** Whether nothing is left to remember. */
  get isForgotten(): boolean {
    return this.size === 0 && this.#crowdTtlSeconds === 0;
  }

  has(sharer: Sharer): boolean {
    if (this.#named.has(nameOf(sharer))) return true;
    return this.#crowd?.has(leaseHash(sharer.client, sharer.lease)) ?? false;
  }

  grant(sharer: Sharer, ttlSeconds: number, now: number): Granted {
    const named = { isNamed: true, crowdTtlSeconds: undefined, unnamed: [] };
    const refreshSeconds = ttlSeconds / 2;
    const expires = now + ttlSeconds * 1000;
    const held = this.#named.get(nameOf(sharer));
    if (held?.ttlSeconds === ttlSeconds) {
      // A refresh needs no disk: a restart starts the TTL anew anyway.
      held.expires = expires;
      return { ...named, isNew: false, isWritten: false, refreshSeconds };
    }
    const hash = leaseHash(sharer.client, sharer.lease);
    const isNew = held === undefined && this.#crowd?.has(hash) !== true;
    const isFew = this.#crowd === undefined ? this.size < MAX_NAMED : this.size < NAMED_AGAIN;
    if (held !== undefined || isFew) {
      this.#crowd?.delete(hash);
      this.#named.set(nameOf(sharer), { ...sharer, expires, ttlSeconds });
      return { ...named, isNew, isWritten: true, refreshSeconds };
    }
    const { unnamed, longestTtlSeconds } = this.#joinCrowd();
    const isLate = !isSampled(hash.low, levelOf(this.size));
    const grantedSeconds = isLate ? Math.max(MAX_LEASE_TTL_SECONDS, ttlSeconds) : ttlSeconds;
    this.#crowd?.set(hash, clientHash(sharer.client), now + grantedSeconds * 1000);
    const wanted = Math.max(grantedSeconds, longestTtlSeconds);
    const isLonger = wanted > this.#crowdTtlSeconds;
    if (isLonger) this.#crowdTtlSeconds = wanted;
    return {
      isNew,
      refreshSeconds: grantedSeconds / 2,
      isNamed: false,
      isWritten: false,
      crowdTtlSeconds: isLonger ? wanted : undefined,
      unnamed,
    };
  }

  /** Ends a lease; tells in what form it was held, if it was. */
  end(sharer: Sharer): 'named' | 'crowd' | undefined {
    if (this.#named.delete(nameOf(sharer))) return 'named';
    const hash = leaseHash(sharer.client, sharer.lease);
    if (this.#crowd?.has(hash) !== true) return undefined;
    this.#crowd.delete(hash);
    return 'crowd';
  }

  sweep(now: number, endedNamed: (sharer: Sharer) => void, ended: (client: number) => void): void {
    for (const [name, { client, lease, expires }] of this.#named) {
      if (expires > now) continue;
      this.#named.delete(name);
      endedNamed({ client, lease });
    }
    if (now - this.#crowdSweptAt < CROWD_ANSWER_MS) return;
    this.#crowdSweptAt = now;
    this.#crowd?.sweep(now, ended);
  }

  /** Whether there was a crowd, on disk at least, and is none any more. */
  dropEmptyCrowd(now: number): boolean {
    if (this.#crowdTtlSeconds === 0 || (this.#crowd?.size ?? 0) > 0) return false;
    if (now < this.#unsureUntil) return false;
    this.#crowd = undefined;
    this.#crowdTtlSeconds = 0;
    return true;
  }

  /** After a restart: a lease whose name is on disk has its whole TTL again. */
  restore(sharer: Sharer, ttlSeconds: number, now: number): void {
    const expires = now + ttlSeconds * 1000;
    this.#named.set(nameOf(sharer), { ...sharer, expires, ttlSeconds });
  }

  /** After a restart: there was a crowd whose leases nobody knows. */
  forgetCrowd(ttlSeconds: number, now: number): void {
    this.#crowdTtlSeconds = ttlSeconds;
    this.#unsureUntil = now + ttlSeconds * 1000;
  }

  count(now: number): SharersCount {
    const unsure = now < this.#unsureUntil;
    const sharers = [...this.#named.values()].map(({ client, lease }) => ({ client, lease }));
    const crowd = this.#crowd;
    if (crowd === undefined || crowd.size === 0) {
      return { count: sharers.length, sharers, sketch: null, unsure };
    }
    if (this.#answer !== undefined && now - this.#answer.at < CROWD_ANSWER_MS) {
      return this.#answer.count;
    }
    const sketch = new HyperLogLog();
    crowd.addTo(sketch);
    for (const { client, lease } of sharers) sketch.add(leaseHash(client, lease).high);
    const level = levelOf(this.size);
    // The others of a large crowd may be gone for long: the sample is fresh.
    const count = sharers.length + crowd.sampleSize(level) * 2 ** level;
    const answer = { count: Math.max(count, 1), sharers, sketch: sketch.registers, unsure };
    this.#answer = { at: now, count: answer };
    return answer;
  }

  /** Makes a crowd of those who were named so far. */
  #joinCrowd(): { unnamed: Sharer[]; longestTtlSeconds: number } {
    if (this.#crowd !== undefined) return { unnamed: [], longestTtlSeconds: 0 };
    this.#crowd = new LeaseCrowd();
    const unnamed: Sharer[] = [];
    let longestTtlSeconds = 0;
    for (const { client, lease, expires, ttlSeconds } of this.#named.values()) {
      this.#crowd.set(leaseHash(client, lease), clientHash(client), expires);
      unnamed.push({ client, lease });
      longestTtlSeconds = Math.max(longestTtlSeconds, ttlSeconds);
    }
    this.#named.clear();
    return { unnamed, longestTtlSeconds };
  }
}

/** One in 2^level is sampled of so many leases. */
export function levelOf(size: number): number {
  return size <= MAX_SAMPLE ? 0 : Math.ceil(Math.log2(size / MAX_SAMPLE));
}

function nameOf({ client, lease }: Sharer): string {
  return `${client}.${lease}`;
}
