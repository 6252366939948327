import type { Libp2p, PeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import type { Logger } from 'pino';
import { messageOf } from './errors.ts';
import type { KadKey } from './kad-key.ts';
import type { KadTable } from './libp2p-node.ts';
import type { Peer } from './protocol/messages.ts';
import type { RoutingTable } from './protocol/peer-transport.ts';

/** kad-dht's routing table, with the addresses libp2p knows; dead peers leave it at once. */
export class KadRouting implements RoutingTable {
  readonly #libp2p: Libp2p;
  readonly #table: KadTable;
  readonly #logger: Logger;

  constructor(libp2p: Libp2p, table: KadTable, logger: Logger) {
    this.#libp2p = libp2p;
    this.#table = table;
    this.#logger = logger;
    libp2p.addEventListener('peer:disconnect', ({ detail }) => {
      this.failed({ id: detail.toString(), addresses: [] });
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
    const known = await this.#libp2p.peerStore.get(peer).catch(() => undefined);
    const addresses = (known?.addresses ?? []).map(({ multiaddr }) => multiaddr.toString());
    return { id: peer.toString(), addresses: addresses.slice(0, 16) };
  }
}
