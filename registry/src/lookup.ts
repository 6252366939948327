import type { Clock } from './clock.ts';
import { compareDistance, peerKey, type KadKey } from './kad-key.ts';
import type { Peer } from './protocol/messages.ts';
import type { PeerTransport, RoutingTable } from './protocol/peer-transport.ts';

/** How many peers are asked at a time (Kademlia's alpha). */
const ALPHA = 3;
/** A peer silent for this long is passed over: the lookup goes on as if it were not there. */
const PATIENCE_MS = 400;

/** What an iterative lookup found. */
export interface LookupResult {
  /** The peers closest to the key that answered, closest first. */
  readonly closest: readonly Peer[];
  /** Peers that would be among them but did not answer: dead, hung or cut off. */
  readonly missing: readonly Peer[];
}

type Standing = 'unasked' | 'asked' | 'slow' | 'answered' | 'failed';

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
}

/**
 * The iterative FIND_NODE of Kademlia (Maymounkov and Mazieres 2002, section 2.3), which ends when
 * the `count` closest candidates have answered. A hung peer costs `PATIENCE_MS`, not its timeout,
 * and is asked beside others, so that it seldom costs even that.
 */
export function lookup(
  context: LookupContext,
  target: KadKey,
  count: number,
): Promise<LookupResult> {
  return new Lookup(context, target, count).run();
}

class Lookup {
  readonly #context: LookupContext;
  readonly #target: KadKey;
  readonly #count: number;
  /** All peers heard of, closest first. */
  readonly #candidates: Candidate[] = [];
  readonly #known = new Set<string>();
  #finish: (result: LookupResult) => void = () => undefined;
  #finished = false;

  constructor(context: LookupContext, target: KadKey, count: number) {
    this.#context = context;
    this.#target = target;
    this.#count = count;
  }

  async run(): Promise<LookupResult> {
    // Twice the count, so that the failure of a whole neighbourhood leaves others to start from.
    const start = await this.#context.routing.closest(this.#target, 2 * this.#count);
    this.#hear(start);
    return new Promise((resolve) => {
      this.#finish = resolve;
      this.#step();
    });
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
    // Those passed over leave their place to the next closest.
    const closest = this.#candidates
      .filter(({ standing }) => standing !== 'failed' && standing !== 'slow')
      .slice(0, this.#count);
    if (closest.every(({ standing }) => standing === 'answered')) {
      this.#finished = true;
      this.#finish({
        closest: closest.map(({ peer }) => peer),
        missing: this.#missing(),
      });
      return;
    }
    let inFlight = closest.filter(({ standing }) => standing === 'asked').length;
    for (const candidate of closest) {
      if (inFlight >= ALPHA) break;
      if (candidate.standing !== 'unasked') continue;
      inFlight += 1;
      void this.#ask(candidate);
    }
  }

  #missing(): Peer[] {
    return this.#candidates
      .slice(0, this.#count)
      .filter(({ standing }) => standing === 'failed' || standing === 'slow')
      .map(({ peer }) => peer);
  }

  async #ask(candidate: Candidate): Promise<void> {
    const { transport, routing, clock, requestTimeoutMs } = this.#context;
    candidate.standing = 'asked';
    const patience = clock.after(PATIENCE_MS, () => {
      candidate.standing = 'slow';
      this.#step();
    });
    try {
      const { closer } = await transport.request<'find-node'>(
        candidate.peer,
        { op: 'find-node', key: this.#target },
        requestTimeoutMs,
      );
      candidate.standing = 'answered';
      this.#hear(closer);
    } catch {
      candidate.standing = 'failed';
      routing.failed(candidate.peer);
    } finally {
      patience.cancel();
    }
    this.#step();
  }
}
