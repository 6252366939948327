/** Counts the records in a stream of ONC RPC record marking (RFC 5531 section 11). */

const MARK_BYTES = 4;
const LAST_FRAGMENT = 0x8000_0000;

export class RecordCounter {
  readonly #onRecord: () => void;
  #mark = 0;
  #markBytes = 0;
  #payloadLeft = 0;

  /** @param onRecord called after the last byte of each record, however many fragments it had */
  constructor(onRecord: () => void) {
    this.#onRecord = onRecord;
  }

  /** Takes the next bytes of the stream, cut anywhere. */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#markBytes < MARK_BYTES) {
        this.#mark = ((this.#mark << 8) | (chunk[at++] ?? 0)) >>> 0;
        if (++this.#markBytes < MARK_BYTES) continue;
        this.#payloadLeft = this.#mark & ~LAST_FRAGMENT;
      } else {
        const taken = Math.min(this.#payloadLeft, chunk.length - at);
        this.#payloadLeft -= taken;
        at += taken;
      }
      if (this.#payloadLeft > 0) continue;
      if (this.#mark >= LAST_FRAGMENT) this.#onRecord();
      this.#markBytes = 0;
      this.#mark = 0;
    }
  }
}
