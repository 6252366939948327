import type { Clock } from '../clock.ts';
import { RecordRefusal, RegistryError } from '../errors.ts';
import { compareDistance, peerKey, type KadKey } from '../kad-key.ts';
import { requestSchema, responseSchemas, type Operation, type Peer } from '../protocol/messages.ts';
import type { RequestHandler, RequestOf, ResponseOf } from '../protocol/messages.ts';
import type { PeerTransport, RoutingTable } from '../protocol/peer-transport.ts';
import { decodeCbor, encodeCbor } from '../records/signed-record.ts';

/** Kademlia's k in the twin, as in the real table. */
const BUCKET_SIZE = 8;

/** How a member of the network behaves. */
export type Conduct = 'well' | 'hung' | 'dead';

interface Member {
  readonly handle: RequestHandler;
  conduct: Conduct;
}

/**
 * The in-process twin of the libp2p network: the same tables run on it, on any clock. Messages
 * are encoded and checked as on the wire; latency, hung and dead nodes are its to give.
 */
export class MemoryNetwork {
  readonly #clock: Clock;
  readonly #latencyMs: () => number;
  readonly #members = new Map<string, Member>();

  constructor(clock: Clock, latencyMs: () => number) {
    this.#clock = clock;
    this.#latencyMs = latencyMs;
  }

  /** From now on `handle` answers what is sent to `id`. */
  serve(id: string, handle: RequestHandler): void {
    this.#members.set(id, { handle, conduct: 'well' });
  }

  /** Hung nodes take requests and never answer; dead ones refuse the connection. */
  setConduct(id: string, conduct: Conduct): void {
    const member = this.#members.get(id);
    if (member === undefined) throw new Error(`no member ${id}`);
    member.conduct = conduct;
  }

  /** The network as the node `from` sees it. */
  transport(from: string): PeerTransport {
    return {
      request: (peer, request, timeoutMs) => this.#deliver(from, peer, request, timeoutMs),
      isConnected: () => true,
    };
  }

  #deliver<O extends Operation>(
    from: string,
    peer: Peer,
    request: RequestOf<O>,
    timeoutMs: number,
  ): Promise<ResponseOf<O>> {
    return new Promise((resolve, reject) => {
      const deadline = this.#clock.after(timeoutMs, () =>
        reject(new RegistryError('PEER_TIMEOUT', `peer ${peer.id} was silent for ${timeoutMs} ms`)),
      );
      const settle = (action: () => void): void => {
        this.#clock.after(this.#latencyMs(), () => {
          deadline.cancel();
          action();
        });
      };
      this.#clock.after(this.#latencyMs(), () => {
        const member = this.#members.get(peer.id);
        if (member === undefined || member.conduct === 'dead') {
          settle(() => reject(new RegistryError('PEER_UNREACHABLE', `peer ${peer.id} is gone`)));
          return;
        }
        if (member.conduct === 'hung') return;
        const received = requestSchema.parse(decodeCbor(encodeCbor(request))) as RequestOf<O>;
        member.handle<O>(from, received).then(
          (response) => {
            const sent = responseSchemas[request.op].safeParse(decodeCbor(encodeCbor(response)));
            settle(() =>
              sent.success
                ? resolve(sent.data as ResponseOf<O>)
                : reject(
                    new RegistryError('PROTOCOL_VIOLATION', `peer ${peer.id} answered wrongly`),
                  ),
            );
          },
          (error: unknown) => {
            const refusal =
              error instanceof RecordRefusal
                ? error
                : new RegistryError('PROTOCOL_VIOLATION', `peer ${peer.id} failed`);
            settle(() => reject(refusal));
          },
        );
      });
    });
  }
}

/** A routing table of k-buckets (Maymounkov and Mazieres 2002, section 2.2): old contacts stay. */
export class MemoryRoutingTable implements RoutingTable {
  readonly #self: KadKey;
  readonly #buckets = new Map<number, Map<string, { peer: Peer; key: KadKey }>>();

  constructor(self: string) {
    this.#self = peerKey(self);
  }

  async closest(key: KadKey, count: number): Promise<Peer[]> {
    return [...this.#buckets.values()]
      .flatMap((bucket) => [...bucket.values()])
      .sort((a, b) => compareDistance(key, a.key, b.key))
      .slice(0, count)
      .map(({ peer }) => peer);
  }

  answered(peer: Peer): void {
    const key = peerKey(peer.id);
    const prefix = sharedPrefix(this.#self, key);
    const bucket = this.#buckets.get(prefix) ?? new Map<string, { peer: Peer; key: KadKey }>();
    if (bucket.size < BUCKET_SIZE) bucket.set(peer.id, { peer, key });
    this.#buckets.set(prefix, bucket);
  }

  failed(peer: Peer): void {
    this.#buckets.get(sharedPrefix(this.#self, peerKey(peer.id)))?.delete(peer.id);
  }
}

/** How many leading bits two keys share. */
function sharedPrefix(a: KadKey, b: KadKey): number {
  for (let i = 0; i < a.length; i += 1) {
    const difference = (a[i] ?? 0) ^ (b[i] ?? 0);
    if (difference !== 0) return i * 8 + Math.clz32(difference) - 24;
  }
  return a.length * 8;
}
