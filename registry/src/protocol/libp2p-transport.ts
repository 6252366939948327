import type { Libp2p } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import { messageOf, RegistryError } from '../errors.ts';
import { REGISTRY_PROTOCOL, type Operation, type Peer } from './messages.ts';
import type { RequestHandler, RequestOf, ResponseOf } from './messages.ts';
import type { PeerTransport } from './peer-transport.ts';
import { RequestStream } from './request-stream.ts';
import { serveStream } from './serve-stream.ts';

/** The registry protocol over libp2p: one stream to each peer, kept open and re-opened on failure. */
export class Libp2pTransport implements PeerTransport {
  readonly #libp2p: Libp2p;
  readonly #clock: Clock;
  readonly #streams = new Map<string, Promise<RequestStream>>();

  constructor(libp2p: Libp2p, clock: Clock) {
    this.#libp2p = libp2p;
    this.#clock = clock;
  }

  /** Answers peers from now on. */
  async serve(handle: RequestHandler, logger: Logger): Promise<void> {
    await this.#libp2p.handle(
      REGISTRY_PROTOCOL,
      (stream, connection) => {
        serveStream(stream, connection.remotePeer.toString(), handle, logger);
      },
      // One is the rule; a second may overlap while a broken one is replaced.
      { maxInboundStreams: 4 },
    );
  }

  async request<O extends Operation>(
    peer: Peer,
    request: RequestOf<O>,
    timeoutMs: number,
  ): Promise<ResponseOf<O>> {
    const started = this.#clock.now();
    const stream = await this.#streamTo(peer, timeoutMs);
    const left = Math.max(1, timeoutMs - (this.#clock.now() - started));
    return stream.request(request, left);
  }

  async close(): Promise<void> {
    const streams = await Promise.allSettled(this.#streams.values());
    this.#streams.clear();
    for (const stream of streams) if (stream.status === 'fulfilled') stream.value.close();
  }

  async #streamTo(peer: Peer, timeoutMs: number): Promise<RequestStream> {
    const kept = this.#streams.get(peer.id);
    if (kept !== undefined) {
      const stream = await kept;
      if (stream.isOpen) return stream;
      // Only the first to notice takes it out; the others find its successor.
      if (this.#streams.get(peer.id) === kept) this.#streams.delete(peer.id);
      return this.#streamTo(peer, timeoutMs);
    }
    const opening = this.#open(peer, timeoutMs);
    this.#streams.set(peer.id, opening);
    try {
      return await opening;
    } catch (error) {
      if (this.#streams.get(peer.id) === opening) this.#streams.delete(peer.id);
      throw error;
    }
  }

  async #open(peer: Peer, timeoutMs: number): Promise<RequestStream> {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const connection = await this.#libp2p.dial(await this.#dialTarget(peer), { signal });
      const stream = await connection.newStream(REGISTRY_PROTOCOL, { signal });
      return new RequestStream(stream, peer.id, this.#clock);
    } catch (error) {
      throw new RegistryError(
        signal.aborted ? 'PEER_TIMEOUT' : 'PEER_UNREACHABLE',
        `cannot reach peer ${peer.id}: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  async #dialTarget(peer: Peer): Promise<Parameters<Libp2p['dial']>[0]> {
    const peerId = peerIdFromString(peer.id);
    if (this.#libp2p.getConnections(peerId).length > 0 || peer.addresses.length === 0) {
      return peerId;
    }
    // With the peer id in the address the handshake proves that it is this peer that answers.
    return peer.addresses.map((address) => {
      const parsed = multiaddr(address);
      return parsed.getComponents().some(({ name }) => name === 'p2p')
        ? parsed
        : parsed.encapsulate(`/p2p/${peer.id}`);
    });
  }
}
