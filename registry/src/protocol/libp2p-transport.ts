import type { Libp2p } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import { messageOf, RegistryError } from '../errors.ts';
import { Allowances } from './allowances.ts';
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
  /** The peers whose stream is open: those in `#streams` may still be connecting. */
  readonly #connected = new Set<string>();

  constructor(libp2p: Libp2p, clock: Clock) {
    this.#libp2p = libp2p;
    this.#clock = clock;
  }

  /** Answers peers from now on. */
  async serve(handle: RequestHandler, logger: Logger): Promise<void> {
    const allowances = new Allowances(this.#clock);
    await this.#libp2p.handle(
      REGISTRY_PROTOCOL,
      (stream, connection) => {
        const peerId = connection.remotePeer.toString();
        const allowance = allowances.of(peerId);
        serveStream(stream, peerId, { handle, allowance, clock: this.#clock, logger });
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
    const deadline = this.#clock.now() + timeoutMs;
    const kept = this.#streams.has(peer.id);
    try {
      return await this.#requestBy(deadline, peer, request);
    } catch (error) {
      // A kept stream may have ended unnoticed, e.g. idle for long or with the peer restarted.
      // Every request can be repeated, so that a fresh stream decides whether the peer is gone.
      const ended = error instanceof RegistryError && error.code === 'PEER_UNREACHABLE';
      if (!kept || !ended) throw error;
      return this.#requestBy(deadline, peer, request);
    }
  }

  isConnected(peer: Peer): boolean {
    return this.#connected.has(peer.id);
  }

  async close(): Promise<void> {
    const streams = await Promise.allSettled(this.#streams.values());
    this.#streams.clear();
    for (const stream of streams) if (stream.status === 'fulfilled') stream.value.close();
  }

  async #requestBy<O extends Operation>(
    deadline: number,
    peer: Peer,
    request: RequestOf<O>,
  ): Promise<ResponseOf<O>> {
    const left = (): number => Math.max(1, deadline - this.#clock.now());
    const stream = await this.#streamTo(peer, left());
    return stream.request(request, left());
  }

  async #streamTo(peer: Peer, timeoutMs: number): Promise<RequestStream> {
    const kept = this.#streams.get(peer.id);
    if (kept !== undefined) return kept;
    const opening = this.#open(peer, timeoutMs);
    const forget = (): void => {
      if (this.#streams.get(peer.id) !== opening) return;
      this.#streams.delete(peer.id);
      this.#connected.delete(peer.id);
    };
    this.#streams.set(peer.id, opening);
    try {
      const stream = await opening;
      this.#connected.add(peer.id);
      stream.onEnd(forget);
      return stream;
    } catch (error) {
      forget();
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
