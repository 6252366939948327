import { type Filehandle, NFS3_FHSIZE } from '@rowfs/nfs3';
import { Slots, slotsFor } from './slots.ts';

/** The handle's length, and room for the longest. */
const SLOT_BYTES = 1 + NFS3_FHSIZE;

/** A bounded number of handles by key, 65 bytes each and their keys. */
export class HandleCache<Key> {
  readonly #slots: Slots<Key>;
  #have = 0;
  #bytes = new Uint8Array(0);

  constructor(max: number) {
    this.#slots = new Slots(max);
  }

  /** A copy, for the slot may be another handle's later. */
  get(key: Key): Filehandle | undefined {
    const slot = this.#slots.find(key);
    if (slot === undefined) return undefined;
    const at = slot * SLOT_BYTES;
    return this.#bytes.slice(at + 1, at + 1 + (this.#bytes[at] ?? 0));
  }

  set(key: Key, handle: Filehandle): void {
    const slot = this.#slots.take(key);
    const have = slotsFor(slot, this.#have, this.#slots.max);
    if (have !== this.#have) {
      const grown = new Uint8Array(have * SLOT_BYTES);
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#have = have;
    }
    const at = slot * SLOT_BYTES;
    this.#bytes[at] = handle.length;
    this.#bytes.set(handle, at + 1);
  }

  delete(key: Key): void {
    this.#slots.delete(key);
  }
}
