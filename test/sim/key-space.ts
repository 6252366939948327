import { compareDistance, peerKey, type KadKey } from '@rowfs/registry';

/** A point of the key space, with its first 32 bits as a number to compare by. */
export interface Point {
  readonly key: KadKey;
  readonly head: number;
}

export function pointOf(key: KadKey): Point {
  return { key, head: Buffer.from(key.buffer, key.byteOffset, 4).readUInt32BE() };
}

/** Where each peer lives; the hash of an id is computed once for all simulated nodes. */
export class KeySpace {
  readonly #points = new Map<string, Point>();

  of(peerId: string): Point {
    const known = this.#points.get(peerId);
    if (known !== undefined) return known;
    const point = pointOf(peerKey(peerId));
    this.#points.set(peerId, point);
    return point;
  }
}

/** Orders two points by their XOR distance to `target`. */
export function nearer(target: Point, a: Point, b: Point): number {
  const difference = ((target.head ^ a.head) >>> 0) - ((target.head ^ b.head) >>> 0);
  return difference === 0 ? compareDistance(target.key, a.key, b.key) : difference;
}

/** How many leading bits two points share, up to 32: enough for a million nodes. */
export function sharedBits(a: Point, b: Point): number {
  return Math.clz32(a.head ^ b.head);
}
