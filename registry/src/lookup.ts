import type { AbsentPeers } from './absent-peers.ts';
import type { Clock, Timer } from './clock.ts';
import { compareDistance, peerKey, type KadKey } from './kad-key.ts';
import type { Peer } from './protocol/messages.ts';
import type { PeerTransport, RoutingTable } from './protocol/peer-transport.ts';

/** How many peers are asked at a time (Kademlia's alpha). */
const ALPHA = 3;
/** With no progress for this many times the slowest answer so far, the silent are passed over. */
const PATIENCE_FACTOR = 4;
const MIN_PATIENCE_MS = 150;
/** Before the first answer nothing is known of the network's speed. */
const FIRST_PATIENCE_MS = 400;

/**
 * `passed-over`: asked, not waited for any longer, welcome when it answers in time after all.
 */
type Standing = 'unasked' | 'asked' | 'passed-over' | 'answered' | 'failed';

interface Candidate {
  readonly peer: Peer;
  readonly key: KadKey;
  standing: Standing;
}

/** What a lookup works with. */
export interface LookupContext {
  /** The asking node's own peer id: never a candidate. */
  readonly self: string;
  readonly transport: PeerTransport;
  readonly routing: RoutingTable;
  readonly clock: Clock;
  readonly requestTimeoutMs: number;
  /** Peers that did not answer lately: asked again, but never waited for. */
  readonly absent: AbsentPeers;
}

/**
 * The iterative FIND_NODE of Kademlia (Maymounkov and Mazieres 2002, section 2.3), which ends when
 * the `count` closest candidates have answered. A hung peer is passed over after a short patience
 * instead of its full timeout, and as a known suspect it costs nothing at all.
 * Returns the peers that answered, closest first.
 */
export function lookup(
  context: LookupContext,
  target: KadKey,
  count: number,
): Promise<readonly Peer[]> {
  return new Lookup(context, target, count).run();
}

class Lookup {
  readonly #context: LookupContext;
  readonly #target: KadKey;
  readonly #count: number;
  /** All peers heard of, closest first. */
  readonly #candidates: Candidate[] = [];
  readonly #known = new Set<string>();
  readonly #result = Promise.withResolvers<readonly Peer[]>();
  #patience: Timer | undefined;
  #slowestAnswerMs: number | undefined;
  #finished = false;

  constructor(context: LookupContext, target: KadKey, count: number) {
    this.#context = context;
    this.#target = target;
    this.#count = count;
  }

  async run(): Promise<readonly Peer[]> {
    // Twice the count, so that the failure of a whole neighbourhood leaves others to start from.
    this.#hear(await this.#context.routing.closest(this.#target, 2 * this.#count));
    this.#step();
    return this.#result.promise;
  }

  #hear(peers: readonly Peer[]): void {
    for (const peer of peers) {
      if (peer.id === this.#context.self || this.#known.has(peer.id)) continue;
      this.#known.add(peer.id);
      this.#candidates.push({ peer, key: peerKey(peer.id), standing: 'unasked' });
    }
    this.#candidates.sort((a, b) => compareDistance(this.#target, a.key, b.key));
  }

  #step(): void {
    if (this.#finished) return;
    this.#patience?.cancel();
    const waitedFor = this.#closestWaitedFor();
    let inFlight = waitedFor.filter(({ standing }) => standing === 'asked').length;
    for (const candidate of waitedFor) {
      if (candidate.standing !== 'unasked') continue;
      if (this.#context.absent.isSuspect(candidate.peer)) {
        void this.#ask(candidate, 'passed-over');
      } else if (inFlight < ALPHA) {
        inFlight += 1;
        void this.#ask(candidate, 'asked');
      }
    }
    // Suspects have left their places to the next closest: look again.
    const closest = this.#closestWaitedFor();
    if (closest.some(({ standing }) => standing === 'unasked') && inFlight < ALPHA) {
      this.#step();
    } else if (closest.every(({ standing }) => standing === 'answered')) {
      this.#finishUnlessStillHoping(closest);
    } else {
      this.#bePatient();
    }
  }

  /** The closest ones that count; those that failed or are passed over leave their place to the next. */
  #closestWaitedFor(): Candidate[] {
    return this.#candidates
      .filter(({ standing }) => standing !== 'failed' && standing !== 'passed-over')
      .slice(0, this.#count);
  }

  #finishUnlessStillHoping(closest: readonly Candidate[]): void {
    const hoping = this.#candidates.some(({ standing }) => standing === 'passed-over');
    // With nobody else there, even a slow peer is worth its full timeout.
    if (closest.length === 0 && hoping) return;
    this.#finished = true;
    this.#result.resolve(closest.map(({ peer }) => peer));
  }

  #bePatient(): void {
    const ms =
      this.#slowestAnswerMs === undefined
        ? FIRST_PATIENCE_MS
        : Math.max(MIN_PATIENCE_MS, PATIENCE_FACTOR * this.#slowestAnswerMs);
    this.#patience = this.#context.clock.after(ms, () => {
      for (const candidate of this.#candidates) {
        if (candidate.standing !== 'asked') continue;
        candidate.standing = 'passed-over';
        this.#context.absent.add(candidate.peer);
      }
      this.#step();
    });
  }

  async #ask(candidate: Candidate, standing: 'asked' | 'passed-over'): Promise<void> {
    const { transport, routing, absent, clock, requestTimeoutMs } = this.#context;
    const { peer } = candidate;
    candidate.standing = standing;
    const started = clock.now();
    try {
      const request = { op: 'find-node', key: this.#target } as const;
      const { closer } = await transport.request<'find-node'>(peer, request, requestTimeoutMs);
      candidate.standing = 'answered';
      this.#slowestAnswerMs = Math.max(this.#slowestAnswerMs ?? 0, clock.now() - started);
      routing.answered(peer);
      absent.remove(peer);
      this.#hear(closer);
    } catch {
      candidate.standing = 'failed';
      routing.failed(peer);
      absent.add(peer);
    }
    this.#step();
  }
}
