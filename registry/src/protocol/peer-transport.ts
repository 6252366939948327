import type { KadKey } from '../kad-key.ts';
import type { Operation, Peer, RequestOf, ResponseOf } from './messages.ts';

/**
 * How a node reaches its peers: over libp2p streams, or over an in-process network for
 * simulation. Everything above this seam is the same code in both.
 */
export interface PeerTransport {
  /**
   * Sends one request and waits for its answer.
   *
   * @throws RecordRefusal when the peer refused the record
   * @throws RegistryError PEER_UNREACHABLE, PEER_TIMEOUT, PROTOCOL_VIOLATION
   */
  request<O extends Operation>(
    peer: Peer,
    request: RequestOf<O>,
    timeoutMs: number,
  ): Promise<ResponseOf<O>>;
  /** Whether a request could be sent at once, without connecting first. */
  isConnected(peer: Peer): boolean;
}

/** The peers a node knows, by their distance to a key. Only nodes that store records are in it. */
export interface RoutingTable {
  /** Up to `count` known peers, closest to `key` first; never the node itself. */
  closest(key: KadKey, count: number): Promise<Peer[]>;
  /** Tells that a peer answered, so that it enters the table if there is room. */
  answered(peer: Peer): void;
  /** Tells that a peer did not answer, so that it leaves the table. */
  failed(peer: Peer): void;
}
