/**
 * Numbers from 0 below `max` for keys, so that what is known of a key can stand at its number in a
 * typed array: an object of its own costs several times the bytes that it holds. When all numbers
 * are given, the key that got its own first loses it to the next one.
 */
export class Slots<Key> {
  readonly max: number;
  readonly #slots = new Map<Key, number>();
  readonly #keys: (Key | undefined)[] = [];
  #next = 0;

  constructor(max: number) {
    this.max = max;
  }

  find(key: Key): number | undefined {
    return this.#slots.get(key);
  }

  /** The key's slot; a new one when it has none. What stands there is the caller's to overwrite. */
  take(key: Key): number {
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const slot = this.#next;
    const previous = this.#keys[slot];
    if (previous !== undefined && this.#slots.get(previous) === slot) this.#slots.delete(previous);
    this.#slots.set(key, slot);
    this.#keys[slot] = key;
    this.#next = (slot + 1) % this.max;
    return slot;
  }

  /** Its slot stays empty until its turn comes. */
  delete(key: Key): void {
    this.#slots.delete(key);
  }
}

const FIRST_SLOTS = 256;

/** How many slots an array has to have so that `slot` is one of them; grown by doubling. */
export function slotsFor(slot: number, have: number, max: number): number {
  if (slot < have) return have;
  return Math.min(max, Math.max(FIRST_SLOTS, have * 2));
}
