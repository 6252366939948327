import type { Clock } from './clock.ts';
import { compareDistance, peerKey, type KadKey } from './kad-key.ts';
import type { Peer } from './protocol/messages.ts';
import { MAX_LEASE_TTL_SECONDS } from './records/lease.ts';

/**
 * How long a peer that is gone still counts as a member: after the longest lease, every client
 * that we can reach has put its lease to the nodes that are left.
 */
const MEMORY_MS = MAX_LEASE_TTL_SECONDS * 1000;
/** How long it is asked without being waited for. */
const SUSPICION_MS = 60_000;
/** Bounds the memory; the longest absent are forgotten first. */
const MAX_PEERS = 1024;

interface Absence {
  readonly peer: Peer;
  /** When it failed to answer for the first time since it last did, and for the last time. */
  readonly since: number;
  readonly lastAt: number;
}

/**
 * The storing nodes that stopped answering. They leave the routing table at once, but what they
 * held may matter: who counts leases must know how many of those that hold them are out of reach.
 */
export class AbsentPeers {
  readonly #clock: Clock;
  /** In the order of their last failure. */
  readonly #peers = new Map<string, Absence>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The peer did not answer, or its connection ended. */
  add(peer: Peer): void {
    const now = this.#clock.now();
    // It counts from the first: a node that hangs for ever must not keep gc from working for ever.
    const since = this.#peers.get(peer.id)?.since ?? now;
    this.#peers.delete(peer.id);
    this.#peers.set(peer.id, { peer, since, lastAt: now });
    for (const [id, { lastAt }] of this.#peers) {
      const forgotten = lastAt < now - MEMORY_MS || this.#peers.size > MAX_PEERS;
      if (!forgotten) break;
      this.#peers.delete(id);
    }
  }

  /** The peer answered. */
  remove(peer: Peer): void {
    this.#peers.delete(peer.id);
  }

  has(peer: Peer): boolean {
    const absent = this.#peers.get(peer.id);
    return absent !== undefined && absent.since >= this.#clock.now() - MEMORY_MS;
  }

  /** Whether it is better not to wait for this peer. */
  isSuspect(peer: Peer): boolean {
    const absent = this.#peers.get(peer.id);
    return absent !== undefined && absent.lastAt > this.#clock.now() - SUSPICION_MS;
  }

  /** Up to `count` absent peers, closest to `key` first. */
  closest(key: KadKey, count: number): Peer[] {
    const absent = [...this.#peers.values()].map(({ peer }) => peer);
    return byDistance(
      key,
      absent.filter((peer) => this.has(peer)),
    ).slice(0, count);
  }
}

/** The peers ordered by their distance to `key`, closest first. */
export function byDistance(key: KadKey, peers: readonly Peer[]): Peer[] {
  return peers
    .map((peer) => ({ peer, at: peerKey(peer.id) }))
    .sort((a, b) => compareDistance(key, a.at, b.at))
    .map(({ peer }) => peer);
}
