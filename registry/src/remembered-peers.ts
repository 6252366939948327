import { z } from 'zod';
import type { Peer } from './protocol/messages.ts';
import { decodeCbor, encodeCbor } from './records/signed-record.ts';
import type { Store } from './store.ts';

/** How many peers are remembered: enough for some of them to be there again after weeks. */
export const MAX_REMEMBERED_PEERS = 16;
const STORE_KEY = 'remembered-peers';

/** Multiaddrs with the peer id at the end, by peer id. */
const rememberedSchema = z.record(z.string(), z.array(z.string()));
type Remembered = z.infer<typeof rememberedSchema>;

/**
 * The peers a node last knew, in its data directory: with them it finds the network again when its
 * bootstrap nodes are gone. Those of the newest lookup come first; older ones stay while there is room.
 */
export class RememberedPeers {
  readonly #store: Store;
  #peers: Remembered;

  constructor(store: Store) {
    this.#store = store;
    const bytes = store.get(STORE_KEY);
    this.#peers = bytes === undefined ? {} : rememberedSchema.parse(decodeCbor(bytes));
  }

  /** Where the remembered peers were reached last. */
  addresses(): string[] {
    return Object.values(this.#peers).flat();
  }

  /** `peers` are there now. */
  async keep(peers: readonly Peer[]): Promise<void> {
    const reachable = peers.filter(({ addresses }) => addresses.length > 0);
    const now = reachable.map(({ id, addresses }) => [id, addresses.map((each) => to(each, id))]);
    const before = Object.entries(this.#peers).filter(
      ([id]) => !reachable.some((peer) => peer.id === id),
    );
    const next = Object.fromEntries(
      [...now, ...before].slice(0, MAX_REMEMBERED_PEERS),
    ) as Remembered;
    const bytes = encodeCbor(next);
    // Mostly nothing has changed: no write then.
    if (Buffer.compare(bytes, encodeCbor(this.#peers)) === 0) return;
    this.#peers = next;
    await this.#store.put(STORE_KEY, bytes);
  }
}

function to(address: string, id: string): string {
  return address.includes('/p2p/') ? address : `${address}/p2p/${id}`;
}
