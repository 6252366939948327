import type { Libp2p, PeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import type { Logger } from 'pino';
import { messageOf } from './errors.ts';
import type { KadKey } from './kad-key.ts';
import type { KadTable } from './libp2p-node.ts';
import type { Peer } from './protocol/messages.ts';
import type { RoutingTable } from './protocol/peer-transport.ts';

/** How many addresses of a peer are told to others. */
const MAX_ADDRESSES = 16;

/** kad-dht's routing table, with the addresses libp2p knows; dead peers leave it at once. */
export class KadRouting implements RoutingTable {
  readonly #libp2p: Libp2p;
  readonly #table: KadTable;
  readonly #logger: Logger;
  /** Of the peers in the table: the peer store decodes its record anew each time it is asked. */
  readonly #addresses = new Map<string, readonly string[]>();

  constructor(libp2p: Libp2p, table: KadTable, logger: Logger) {
    this.#libp2p = libp2p;
    this.#table = table;
    this.#logger = logger;
    libp2p.addEventListener('peer:disconnect', ({ detail }) => {
      this.failed({ id: detail.toString(), addresses: [] });
    });
    libp2p.addEventListener('peer:update', ({ detail }) => {
      this.#addresses.delete(detail.peer.id.toString());
    });
    table.addEventListener('peer:remove', ({ detail }) => {
      this.#addresses.delete(detail.toString());
    });
  }

  get size(): number {
    return this.#table.size;
  }

  /** Calls `listener` whenever a peer leaves the table, because it does not answer any more. */
  onPeerGone(listener: (peer: Peer) => void): void {
    this.#table.addEventListener('peer:remove', ({ detail }) => {
      listener({ id: detail.toString(), addresses: [] });
    });
  }

  /** Calls `listener` whenever a peer enters the table. */
  onPeer(listener: () => void): void {
    this.#table.addEventListener('peer:add', () => {
      listener();
    });
  }

  all(): Promise<Peer[]> {
    return this.closest(new Uint8Array(32), this.#table.size);
  }

  async closest(key: KadKey, count: number): Promise<Peer[]> {
    const peers = this.#table.closestPeers(key, { count });
    return Promise.all(peers.map((peer) => this.#withAddresses(peer)));
  }

  answered(peer: Peer): void {
    this.#change(peer.id, async (peerId) => {
      if ((await this.#table.find(peerId)) === undefined) await this.#table.add(peerId);
    });
  }

  failed(peer: Peer): void {
    this.#change(peer.id, (peerId) => this.#table.remove(peerId));
  }

  #change(id: string, change: (peerId: PeerId) => Promise<void>): void {
    change(peerIdFromString(id)).catch((error: unknown) => {
      this.#logger.debug({ peer: id, reason: messageOf(error) }, 'routing table not changed');
    });
  }

  async #withAddresses(peer: PeerId): Promise<Peer> {
    const id = peer.toString();
    const kept = this.#addresses.get(id);
    if (kept !== undefined) return { id, addresses: [...kept] };
    const known = await this.#libp2p.peerStore.get(peer).catch(() => undefined);
    const addresses = (known?.addresses ?? [])
      .map(({ multiaddr }) => multiaddr.toString())
      .slice(0, MAX_ADDRESSES);
    if (addresses.length > 0) this.#addresses.set(id, addresses);
    return { id, addresses };
  }
}
