import {
  RecordRefusal,
  RegistryError,
  type Clock,
  type Operation,
  type Peer,
  type PeerTransport,
  type RequestHandler,
  type RequestOf,
  type ResponseOf,
} from '@rowfs/registry';

/** A node that can be spoken to. */
export interface Member {
  readonly handle: RequestHandler;
  /** Hears of a storing node that spoke to it: libp2p's identify tells who that is. */
  readonly meet: (peer: Peer) => void;
}

/** What the network does to messages; both are asked for each message. */
export interface Weather {
  /** Milliseconds one way. */
  readonly latencyMs: () => number;
  /** A lost request or answer is never heard of: harsher than TCP, which would send it again. */
  readonly isLost: () => boolean;
}

/** Sees every request when it is sent and every answer when it arrives. */
export interface Observer {
  asked(from: string, peer: Peer, request: RequestOf<Operation>): void;
  answered(from: string, peer: Peer, request: RequestOf<Operation>, answer: object): void;
}

/**
 * Carries the requests of registry nodes in virtual time, uncoded: the stream protocol and its
 * codec have tests of their own. A node that is not there refuses at once, as a host without the
 * process does; a hung one takes requests and says nothing.
 */
export class VirtualNetwork {
  readonly #clock: Clock;
  readonly #weather: Weather;
  readonly #members = new Map<string, Member>();
  readonly #hung = new Set<string>();
  readonly #cutOff = new Set<string>();
  #observer: Observer | undefined;
  /** Requests sent so far. */
  requests = 0;

  constructor(clock: Clock, weather: Weather) {
    this.#clock = clock;
    this.#weather = weather;
  }

  join(id: string, member: Member): void {
    this.#members.set(id, member);
  }

  leave(id: string): void {
    this.#members.delete(id);
    this.#hung.delete(id);
    this.#cutOff.delete(id);
  }

  hang(id: string): void {
    this.#hung.add(id);
  }

  recover(id: string): void {
    this.#hung.delete(id);
  }

  /** Until `heal`, nothing passes between `ids` and all others. */
  split(ids: readonly string[]): void {
    for (const id of ids) this.#cutOff.add(id);
  }

  heal(): void {
    this.#cutOff.clear();
  }

  observe(observer: Observer | undefined): void {
    this.#observer = observer;
  }

  /** The network as the node `self` sees it; `stores` when others may enter it in their tables. */
  transport(self: Peer, stores: boolean): PeerTransport {
    return {
      request: (peer, request, timeoutMs) => this.#deliver(self, stores, peer, request, timeoutMs),
      // Connecting takes no time here.
      isConnected: () => true,
    };
  }

  #deliver<O extends Operation>(
    self: Peer,
    stores: boolean,
    peer: Peer,
    request: RequestOf<O>,
    timeoutMs: number,
  ): Promise<ResponseOf<O>> {
    this.requests += 1;
    this.#observer?.asked(self.id, peer, request);
    return new Promise((resolve, reject) => {
      const deadline = this.#clock.after(timeoutMs, () =>
        reject(new RegistryError('PEER_TIMEOUT', `peer ${peer.id} was silent for ${timeoutMs} ms`)),
      );
      const travel = (arrive: () => void): void => {
        const isLost = this.#weather.isLost();
        this.#clock.after(this.#weather.latencyMs(), () => {
          // Judged on arrival: a split catches what is under way.
          if (!isLost && this.#cutOff.has(self.id) === this.#cutOff.has(peer.id)) arrive();
        });
      };
      const answer = (settle: () => void): void =>
        travel(() => {
          deadline.cancel();
          settle();
        });
      travel(() => {
        const member = this.#members.get(peer.id);
        if (member === undefined) {
          answer(() => reject(new RegistryError('PEER_UNREACHABLE', `peer ${peer.id} is gone`)));
          return;
        }
        if (this.#hung.has(peer.id)) return;
        if (stores) member.meet(self);
        member.handle<O>(self.id, request).then(
          (response) =>
            answer(() => {
              this.#observer?.answered(self.id, peer, request, response);
              resolve(response);
            }),
          (error: unknown) => answer(() => reject(asOnTheWire(peer, error))),
        );
      });
    });
  }
}

/** Refusals travel; whatever else goes wrong at a peer is only known to have gone wrong. */
function asOnTheWire(peer: Peer, error: unknown): RegistryError {
  if (error instanceof RecordRefusal) return error;
  return new RegistryError('PROTOCOL_VIOLATION', `peer ${peer.id} failed`, { cause: error });
}
