import { byDistance, type AbsentPeers } from './absent-peers.ts';
import type { Clock } from './clock.ts';
import { messageOf, RecordRefusal, RegistryError } from './errors.ts';
import { peerKey, type KadKey } from './kad-key.ts';
import { lookup, type Found } from './lookup.ts';
import { everyone, WITNESSES_PER_PATH, type Placement, type ReadUntil } from './placement.ts';
import type { Operation, Peer, RequestHandler } from './protocol/messages.ts';
import type { RequestOf, ResponseOf } from './protocol/messages.ts';
import type { PeerTransport, RoutingTable } from './protocol/peer-transport.ts';
import { answersOf, errorsOf, gather, writeQuorum, type Outcome } from './quorum.ts';
import type { RoundTrips } from './round-trips.ts';

/** On how many of the closest nodes a record lives. */
export const REPLICATION = 8;
/** What an acknowledged write reached by the time its quorum was met. */
export interface WriteReport {
  readonly acknowledged: number;
  readonly replicas: number;
}

/** What `Replicas` is made of. */
export interface ReplicasInit {
  /** The node itself, with the addresses it tells others. */
  readonly self: () => Peer;
  /** Answers for this node when it stores records; undefined for a client. */
  readonly host: RequestHandler | undefined;
  readonly transport: PeerTransport;
  readonly routing: RoutingTable;
  readonly absent: AbsentPeers;
  readonly roundTrips: RoundTrips;
  readonly clock: Clock;
  readonly requestTimeoutMs: number;
}

/** Finds the nodes closest to a key and speaks to them, this node among them when it stores records. */
export class Replicas {
  readonly #init: ReplicasInit;
  readonly #background = new Set<Promise<unknown>>();

  constructor(init: ReplicasInit) {
    this.#init = init;
  }

  /** @throws RegistryError REGISTRY_UNREACHABLE when no node at all answers */
  async place(key: KadKey): Promise<Placement> {
    const { host } = this.#init;
    const self = this.#init.self();
    const { closest, onPaths } = await this.#lookup(key);
    const candidates = host === undefined ? [...closest] : [...closest, self];
    const replicas = byDistance(key, candidates).slice(0, REPLICATION);
    if (replicas.length === 0) {
      throw new RegistryError(
        'REGISTRY_UNREACHABLE',
        'no registry node answers: check the network and the bootstrap addresses',
      );
    }
    const reached = new Set(replicas.map(({ id }) => id));
    const missing = this.members(key, replicas, []).filter(({ id }) => !reached.has(id));
    const witnesses = onPaths.flatMap((path) => path.slice(0, WITNESSES_PER_PATH));
    return { replicas, witnesses, missing };
  }

  /**
   * The nodes that should hold the records of `key`, within reach or not: the closest of `replicas`
   * and of those lost lately, by this node's own experience and as `reported` by others.
   */
  members(key: KadKey, replicas: readonly Peer[], reported: readonly Peer[]): Peer[] {
    const absent = [...this.#init.absent.closest(key, REPLICATION), ...reported];
    const distinct = new Map([...absent, ...replicas].map((peer) => [peer.id, peer]));
    return byDistance(key, [...distinct.values()]).slice(0, REPLICATION);
  }

  /** Looks the node itself up, which fills its routing table with its neighbours. */
  async refreshNeighbours(): Promise<void> {
    await this.#lookup(peerKey(this.#init.self().id));
  }

  /** One request to one replica; to this node itself without the network. */
  ask<O extends Operation>(peer: Peer, request: RequestOf<O>): Promise<ResponseOf<O>> {
    const { host, transport, requestTimeoutMs } = this.#init;
    const self = this.#init.self().id;
    if (host !== undefined && peer.id === self) return host<O>(self, request);
    return transport.request<O>(peer, request, requestTimeoutMs);
  }

  /**
   * Asks all of `asked`, and resolves as `until` says or when all are done. `late` is given all
   * outcomes afterwards, for repairs; it must not throw.
   */
  async read<O extends Operation>(
    asked: readonly Peer[],
    request: RequestOf<O>,
    until: ReadUntil<O>,
    late?: (outcomes: readonly Outcome<Peer, ResponseOf<O>>[]) => Promise<void>,
  ): Promise<readonly Outcome<Peer, ResponseOf<O>>[]> {
    const { transport, roundTrips, clock } = this.#init;
    const patience = asked.map((peer) => roundTrips.patienceMs(peer, transport.isConnected(peer)));
    return gather(
      asked,
      (peer) => this.ask<O>(peer, request),
      { ...until, ms: Math.max(0, ...patience) },
      clock,
      (all) => this.inBackground(late === undefined ? all : all.then(late)),
    );
  }

  /**
   * Resolves when a majority of `members` have taken the write; the others, and the witnesses, go
   * on. `members` are the replicas themselves, unless those out of reach count too.
   *
   * @throws RecordRefusal when so many refused it that no majority is left
   * @throws RegistryError QUORUM_NOT_REACHED
   */
  async write<O extends Operation>(
    placement: Pick<Placement, 'replicas' | 'witnesses'>,
    request: RequestOf<O>,
    members: readonly Peer[] = placement.replicas,
  ): Promise<WriteReport & { readonly answers: ResponseOf<O>[] }> {
    const needed = writeQuorum(members.length);
    const voting = new Set(members.map(({ id }) => id));
    const votes = (outcomes: readonly Outcome<Peer, ResponseOf<O>>[]): number =>
      answersOf(outcomes).filter(({ replica }) => voting.has(replica.id)).length;
    // Who counts is asked, also who was out of reach a moment ago.
    const asked = everyone({ ...placement, witnesses: [...placement.witnesses, ...members] });
    const outcomes = await this.read<O>(asked, request, {
      enough: (sofar) => votes(sofar) >= needed,
      acceptable: () => false,
    });
    const acknowledged = votes(outcomes);
    if (acknowledged >= needed) {
      const answers = answersOf(outcomes).map(({ answer }) => answer);
      return { acknowledged, replicas: members.length, answers };
    }
    const errors = errorsOf(outcomes);
    const refusal = errors.find((error) => error instanceof RecordRefusal);
    if (refusal !== undefined) throw refusal;
    throw new RegistryError(
      'QUORUM_NOT_REACHED',
      `${acknowledged} of ${members.length} registry nodes took it, ${needed} are needed: ${errors.length === 0 ? 'the others are out of reach' : messageOf(errors[0])}`,
      { cause: errors[0] },
    );
  }

  /** Lets `work` go on after its caller was answered, but not beyond `close()`. */
  inBackground(work: Promise<unknown>): void {
    const settled = work
      .catch(() => undefined)
      .finally(() => {
        this.#background.delete(settled);
      });
    this.#background.add(settled);
  }

  /** Resolves when nothing goes on in the background any more. */
  async close(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background);
  }

  async #lookup(key: KadKey): Promise<Found> {
    const { routing, absent, roundTrips, transport, clock, requestTimeoutMs } = this.#init;
    const self = this.#init.self().id;
    const context = { self, routing, absent, roundTrips, transport, clock, requestTimeoutMs };
    return lookup(context, key, REPLICATION);
  }
}
