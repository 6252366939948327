import type { KadKey, Peer, RoutingTable } from '@rowfs/registry';
import { nearer, pointOf, sharedBits, type KeySpace, type Point } from './key-space.ts';

/** Kademlia's k, as the real nodes configure kad-dht. */
const BUCKET_SIZE = 8;

interface Contact {
  readonly peer: Peer;
  readonly point: Point;
}

/**
 * k-buckets by shared prefix (Maymounkov and Mazieres 2002, section 2.2) in place of kad-dht's
 * table: a contact that answers stays, one that does not leaves at once, a full bucket takes no more.
 */
export class BucketTable implements RoutingTable {
  readonly #self: Point;
  readonly #space: KeySpace;
  readonly #buckets = new Map<number, Map<string, Contact>>();

  constructor(self: string, space: KeySpace) {
    this.#self = space.of(self);
    this.#space = space;
  }

  get size(): number {
    let size = 0;
    for (const bucket of this.#buckets.values()) size += bucket.size;
    return size;
  }

  async closest(key: KadKey, count: number): Promise<Peer[]> {
    const target = pointOf(key);
    const contacts: Contact[] = [];
    for (const bucket of this.#buckets.values()) contacts.push(...bucket.values());
    return contacts
      .sort((a, b) => nearer(target, a.point, b.point))
      .slice(0, count)
      .map(({ peer }) => peer);
  }

  answered(peer: Peer): void {
    const point = this.#space.of(peer.id);
    if (point === this.#self) return;
    const index = sharedBits(this.#self, point);
    let bucket = this.#buckets.get(index);
    if (bucket === undefined) {
      bucket = new Map();
      this.#buckets.set(index, bucket);
    }
    if (bucket.size < BUCKET_SIZE) bucket.set(peer.id, { peer, point });
  }

  failed(peer: Peer): void {
    this.#buckets.get(sharedBits(this.#self, this.#space.of(peer.id)))?.delete(peer.id);
  }
}
