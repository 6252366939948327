import { type Filehandle, NFS3_FHSIZE } from '@rowfs/nfs3';
import { Slots, slotsFor } from './slots.ts';

/** Widths that slots have are multiples of this. */
const WIDTH_STEP = 8;

/**
 * A bounded number of handles by key. Each takes a byte more than the longest of them, since those of
 * one server are mostly of one length, and its key.
 */
export class HandleCache<Key> {
  readonly #slots: Slots<Key>;
  #have = 0;
  /** Bytes of a slot: the handle's length, and the handle. */
  #width = 0;
  #bytes = new Uint8Array(0);

  constructor(max: number) {
    this.#slots = new Slots(max);
  }

  /** A copy, for the slot may be another handle's later. */
  get(key: Key): Filehandle | undefined {
    const slot = this.#slots.find(key);
    if (slot === undefined) return undefined;
    const at = slot * this.#width;
    return this.#bytes.slice(at + 1, at + 1 + (this.#bytes[at] ?? 0));
  }

  set(key: Key, handle: Filehandle): void {
    const slot = this.#slots.take(key);
    this.#makeRoom(slotsFor(slot, this.#have, this.#slots.max), 1 + handle.length);
    const at = slot * this.#width;
    this.#bytes[at] = handle.length;
    this.#bytes.set(handle, at + 1);
  }

  delete(key: Key): void {
    this.#slots.delete(key);
  }

  #makeRoom(have: number, needed: number): void {
    const width = needed <= this.#width ? this.#width : widthFor(needed);
    if (have === this.#have && width === this.#width) return;
    const grown = new Uint8Array(have * width);
    if (width === this.#width) grown.set(this.#bytes);
    else
      for (let slot = 0; slot < this.#have; slot++) {
        const at = slot * this.#width;
        grown.set(this.#bytes.subarray(at, at + this.#width), slot * width);
      }
    this.#have = have;
    this.#width = width;
    this.#bytes = grown;
  }
}

function widthFor(needed: number): number {
  return Math.min(1 + NFS3_FHSIZE, Math.ceil(needed / WIDTH_STEP) * WIDTH_STEP);
}
