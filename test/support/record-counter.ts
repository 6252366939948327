/** Counts the records in a stream of ONC RPC record marking (RFC 5531 section 11). */

const MARK_BYTES = 4;
const LAST_FRAGMENT = 0x8000_0000;
/** Of a call: its xid, its kind, the version of RPC, program, version and procedure (RFC 5531 section 9). */
export const CALL_HEAD_BYTES = 24;

export class RecordCounter {
  readonly #onRecord: (head: Buffer) => void;
  readonly #head = Buffer.alloc(CALL_HEAD_BYTES);
  #headBytes = 0;
  #mark = 0;
  #markBytes = 0;
  #payloadLeft = 0;

  /**
   * @param onRecord called after the last byte of each record, however many fragments it had, with its first 24 bytes,
   * or fewer; they are good until it returns
   */
  constructor(onRecord: (head: Buffer) => void) {
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
        if (this.#headBytes < CALL_HEAD_BYTES) this.#takeHead(chunk.subarray(at, at + taken));
        this.#payloadLeft -= taken;
        at += taken;
      }
      if (this.#payloadLeft > 0) continue;
      if (this.#mark >= LAST_FRAGMENT) {
        this.#onRecord(this.#head.subarray(0, this.#headBytes));
        this.#headBytes = 0;
      }
      this.#markBytes = 0;
      this.#mark = 0;
    }
  }

  #takeHead(bytes: Uint8Array): void {
    const part = bytes.subarray(0, CALL_HEAD_BYTES - this.#headBytes);
    this.#head.set(part, this.#headBytes);
    this.#headBytes += part.length;
  }
}
