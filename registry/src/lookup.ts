import type { AbsentPeers } from './absent-peers.ts';
import type { Clock, Timer } from './clock.ts';
import { compareDistance, peerKey, type KadKey } from './kad-key.ts';
import type { Peer } from './protocol/messages.ts';
import type { PeerTransport, RoutingTable } from './protocol/peer-transport.ts';
import type { RoundTrips } from './round-trips.ts';

/** On how many disjoint paths a key is looked up (S/Kademlia's d). */
export const PATHS = 3;
/** How many peers of each path are asked at a time (Kademlia's alpha). */
const ALPHA = 3;

/**
 * `passed-over`: asked, not waited for any longer, welcome when it answers in time after all.
 */
type Standing = 'unasked' | 'asked' | 'passed-over' | 'answered' | 'failed';

interface Contact {
  readonly peer: Peer;
  readonly key: KadKey;
  standing: Standing;
  askedAt: number;
  /** Whether there was a connection when it was asked. */
  isConnected: boolean;
}

/** One of the disjoint ways to the key. */
interface Path {
  /** All that were heard of on this path, closest first. Another path may have asked them. */
  readonly contacts: Contact[];
  readonly asked: Set<Contact>;
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
  readonly roundTrips: RoundTrips;
}

/** Who answered, closest first: of all, and on each path. */
export interface Found {
  readonly closest: readonly Peer[];
  readonly onPaths: readonly (readonly Peer[])[];
}

/**
 * The iterative FIND_NODE of Kademlia (Maymounkov and Mazieres 2002, section 2.3) over disjoint
 * paths (Baumgart and Mies 2007, S/Kademlia, section 4.4): a peer is asked on one path only, and
 * what it says is heard on that path only, so that liars lead astray no path but those they stand on.
 * It ends when on each path the `count` closest have answered. A silent peer is passed over after a
 * short patience instead of its full timeout, and as a known suspect it costs nothing at all.
 */
export function lookup(context: LookupContext, target: KadKey, count: number): Promise<Found> {
  return new Lookup(context, target, count).run();
}

class Lookup {
  readonly #context: LookupContext;
  readonly #target: KadKey;
  readonly #count: number;
  readonly #contacts = new Map<string, Contact>();
  readonly #paths: readonly Path[] = Array.from({ length: PATHS }, () => ({
    contacts: [],
    asked: new Set<Contact>(),
  }));
  readonly #result = Promise.withResolvers<Found>();
  #timer: Timer | undefined;
  #isFinished = false;

  constructor(context: LookupContext, target: KadKey, count: number) {
    this.#context = context;
    this.#target = target;
    this.#count = count;
  }

  async run(): Promise<Found> {
    // Twice the count, so that the failure of a whole neighbourhood leaves others to start from.
    const known = await this.#context.routing.closest(this.#target, 2 * this.#count);
    this.#paths.forEach((path, i) => {
      this.#hear(
        path,
        known.filter((_, at) => at % PATHS === i),
      );
    });
    this.#step();
    return this.#result.promise;
  }

  #hear(path: Path, peers: readonly Peer[]): void {
    for (const peer of peers) {
      if (peer.id === this.#context.self) continue;
      const known = this.#contacts.get(peer.id);
      const contact = known ?? unasked(peer);
      if (known === undefined) this.#contacts.set(peer.id, contact);
      if (!path.contacts.includes(contact)) path.contacts.push(contact);
    }
    path.contacts.sort((a, b) => compareDistance(this.#target, a.key, b.key));
  }

  #step(): void {
    if (this.#isFinished) return;
    this.#passOverSilent();
    for (const path of this.#paths) this.#advance(path);
    this.#watchSilent();
    const waitedFor = this.#paths.flatMap(({ contacts }) => this.#closest(contacts.filter(counts)));
    if (!waitedFor.every(({ standing }) => standing === 'answered')) return;
    const contacts = [...this.#contacts.values()];
    const hoping = contacts.some(({ standing }) => standing === 'passed-over');
    // With nobody else there, even a slow peer is worth its full timeout.
    if (waitedFor.length === 0 && hoping) return;
    this.#isFinished = true;
    this.#timer?.cancel();
    this.#result.resolve({
      closest: this.#answered(contacts),
      onPaths: this.#paths.map(({ asked }) => this.#answered([...asked])),
    });
  }

  /** Asks the next closest of the path, as far as there are places; who is late leaves its place. */
  #advance(path: Path): void {
    const isWaitedFor = (contact: Contact): boolean => counts(contact) && !this.#isLate(contact);
    const closest = this.#closest(path.contacts.filter(isWaitedFor));
    let inFlight = [...path.asked].filter(
      (contact) => contact.standing === 'asked' && !this.#isLate(contact),
    ).length;
    for (const contact of closest) {
      if (contact.standing !== 'unasked') continue;
      if (this.#context.absent.isSuspect(contact.peer)) {
        void this.#ask(path, contact, 'passed-over');
      } else if (inFlight < ALPHA) {
        inFlight += 1;
        void this.#ask(path, contact, 'asked');
      }
    }
    // Suspects have left their places to the next closest: look again.
    if (closest.some(({ standing }) => standing === 'passed-over')) this.#advance(path);
  }

  #passOverSilent(): void {
    const now = this.#context.clock.now();
    for (const contact of this.#contacts.values()) {
      if (contact.standing !== 'asked' || now < contact.askedAt + this.#patienceMs(contact))
        continue;
      contact.standing = 'passed-over';
      this.#context.absent.add(contact.peer);
    }
  }

  /** Looks again when the next of those asked becomes late, or is to be passed over. */
  #watchSilent(): void {
    const { clock } = this.#context;
    const now = clock.now();
    const next = [...this.#contacts.values()]
      .filter(({ standing }) => standing === 'asked')
      .map((contact) => {
        const ms = this.#isLate(contact) ? this.#patienceMs(contact) : this.#lateAfterMs(contact);
        return contact.askedAt + ms;
      });
    this.#timer?.cancel();
    if (next.length === 0) return;
    this.#timer = clock.after(Math.min(...next) - now, () => this.#step());
  }

  #isLate(contact: Contact): boolean {
    const silentMs = this.#context.clock.now() - contact.askedAt;
    return contact.standing === 'asked' && silentMs >= this.#lateAfterMs(contact);
  }

  // Computed when needed: each answer makes the estimate better, the first one most of all.
  #patienceMs({ peer, isConnected }: Contact): number {
    return this.#context.roundTrips.patienceMs(peer, isConnected);
  }

  #lateAfterMs({ peer, isConnected }: Contact): number {
    return this.#context.roundTrips.lateAfterMs(peer, isConnected);
  }

  #closest(contacts: readonly Contact[]): readonly Contact[] {
    return contacts.slice(0, this.#count);
  }

  #answered(contacts: readonly Contact[]): Peer[] {
    return contacts
      .filter(({ standing }) => standing === 'answered')
      .sort((a, b) => compareDistance(this.#target, a.key, b.key))
      .slice(0, this.#count)
      .map(({ peer }) => peer);
  }

  async #ask(path: Path, contact: Contact, standing: 'asked' | 'passed-over'): Promise<void> {
    const { transport, routing, absent, clock, roundTrips, requestTimeoutMs } = this.#context;
    const { peer } = contact;
    path.asked.add(contact);
    contact.standing = standing;
    contact.askedAt = clock.now();
    contact.isConnected = transport.isConnected(peer);
    try {
      const request = { op: 'find-node', key: this.#target } as const;
      const { closer } = await transport.request<'find-node'>(peer, request, requestTimeoutMs);
      contact.standing = 'answered';
      if (contact.isConnected) roundTrips.observe(peer, clock.now() - contact.askedAt);
      routing.answered(peer);
      absent.remove(peer);
      this.#hear(path, closer);
    } catch {
      contact.standing = 'failed';
      routing.failed(peer);
      absent.add(peer);
    }
    this.#step();
  }
}

function unasked(peer: Peer): Contact {
  return { peer, key: peerKey(peer.id), standing: 'unasked', askedAt: 0, isConnected: false };
}

/** Those that failed or are passed over leave their place to the next. */
function counts({ standing }: Contact): boolean {
  return standing !== 'failed' && standing !== 'passed-over';
}
