import { randomInt } from 'node:crypto';

/** At most so full, and after it has grown or shrunk so full: probes stay short, memory bounded. */
const MAX_LOAD = 0.8;
const NEW_LOAD = 0.55;
const MIN_LOAD = 0.2;
const MIN_CAPACITY = 64;

/** Rows in columns of typed arrays, as the positions in them need to know them. */
export interface Rows {
  readonly isEmpty: (slot: number) => boolean;
  readonly keyOf: (slot: number) => number;
  readonly move: (from: number, to: number) => void;
  readonly clear: (slot: number) => void;
}

/**
 * Positions in a hash table with open addressing and linear probing (Knuth, TAOCP 3, 6.4): rows are
 * columns of typed arrays, without an object each. Removal shifts back, so nothing is left behind.
 */
export class Probing {
  size = 0;
  capacity = MIN_CAPACITY;
  // Who chooses keys must not be able to choose that they collide.
  readonly #factor = randomInt(2 ** 31) * 2 + 1;
  readonly #mask = randomInt(2 ** 32);

  /** The first slot to look at for a key of 32 uniform bits. */
  home(key: number): number {
    const mixed = Math.imul(key ^ this.#mask, this.#factor) >>> 0;
    return Math.floor((mixed / 2 ** 32) * this.capacity);
  }

  next(slot: number): number {
    return slot + 1 === this.capacity ? 0 : slot + 1;
  }

  /** The capacity to change to now, if any. */
  wantedCapacity(): number | undefined {
    const isWrong =
      this.size > this.capacity * MAX_LOAD ||
      (this.size < this.capacity * MIN_LOAD && this.capacity > MIN_CAPACITY);
    return isWrong ? Math.max(MIN_CAPACITY, Math.ceil(this.size / NEW_LOAD)) : undefined;
  }

  /** Empties `slot` and closes the gap. */
  remove(rows: Rows, slot: number): void {
    let gap = slot;
    for (let at = this.next(gap); !rows.isEmpty(at); at = this.next(at)) {
      const home = this.home(rows.keyOf(at));
      // It may only move back as far as its home.
      const staysPut = gap <= at ? gap < home && home <= at : gap < home || home <= at;
      if (staysPut) continue;
      rows.move(at, gap);
      gap = at;
    }
    rows.clear(gap);
    this.size -= 1;
  }
}
