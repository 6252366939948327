import { XdrWriter } from '@rowfs/xdr';
import { RpcError } from './error.ts';

/** The pieces of one record, in order, without its marks. */
export type RpcRecord = readonly Uint8Array[];

/** A WRITE or READ of 1 MiB, with room for its header, names and attributes. */
export const DEFAULT_MAX_RECORD_BYTES = 1024 * 1024 + 64 * 1024;

const MARK_BYTES = 4;
const LAST_FRAGMENT = 0x8000_0000;
const MAX_FRAGMENT_BYTES = 0x7fff_ffff;
const PACK_FROM_PIECES = 64;
const PACK_BELOW_BYTES = 1024;
const PACK_BYTES = 16 * 1024;

/**
 * Cuts a byte stream into records (RFC 5531 section 11).
 *
 * A record is handed on as the pieces in which it arrived, never joined. Only of a record in very
 * many pieces (a peer that sends byte by byte) the small ones are copied together, so that what a
 * record costs in memory is in proportion to its length.
 */
export class RecordAssembler {
  readonly #maxRecordBytes: number;
  #pieces: Uint8Array[] = [];
  #length = 0;
  #pack: Uint8Array | undefined;
  #packed = 0;
  #mark = 0;
  #markBytes = 0;
  #fragmentLeft = 0;
  /** What the marks of the record's empty fragments take. */
  #emptyMarksBytes = 0;

  constructor(maxRecordBytes: number) {
    this.#maxRecordBytes = maxRecordBytes;
  }

  /**
   * Takes the next bytes of the stream and calls `onRecord` for each record that they complete.
   *
   * @throws RpcError RECORD_TOO_LONG as soon as a mark announces it; the stream is then useless.
   */
  push(bytes: Uint8Array, onRecord: (record: RpcRecord) => void): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#markBytes < MARK_BYTES) {
        this.#mark = ((this.#mark << 8) | (bytes[at] ?? 0)) >>> 0;
        at += 1;
        this.#markBytes += 1;
        if (this.#markBytes < MARK_BYTES) continue;
        this.#beginFragment();
      }
      const part = bytes.subarray(at, at + this.#fragmentLeft);
      if (part.length > 0) this.#append(part);
      at += part.length;
      this.#fragmentLeft -= part.length;
      if (this.#fragmentLeft > 0) return;
      this.#markBytes = 0;
      if (this.#mark >= LAST_FRAGMENT) onRecord(this.#takeRecord());
    }
  }

  #beginFragment(): void {
    this.#fragmentLeft = this.#mark & MAX_FRAGMENT_BYTES;
    this.#length += this.#fragmentLeft;
    // Or a peer that sends nothing but empty ones would be listened to for ever.
    this.#emptyMarksBytes += this.#mark === 0 ? MARK_BYTES : 0;
    if (this.#length > this.#maxRecordBytes) {
      throw new RpcError(
        'RECORD_TOO_LONG',
        `a record of ${this.#length} bytes or more, where at most ${this.#maxRecordBytes} are allowed`,
      );
    }
    if (this.#emptyMarksBytes > this.#maxRecordBytes) {
      throw new RpcError('RECORD_TOO_LONG', 'a record of empty fragments that does not end');
    }
  }

  #append(part: Uint8Array): void {
    if (part.length >= PACK_BELOW_BYTES || this.#pieces.length < PACK_FROM_PIECES) {
      this.#pieces.push(part);
      this.#pack = undefined;
      return;
    }
    if (this.#pack === undefined || this.#packed + part.length > this.#pack.length) {
      this.#pack = new Uint8Array(PACK_BYTES);
      this.#packed = 0;
      this.#pieces.push(this.#pack);
    }
    this.#pack.set(part, this.#packed);
    this.#packed += part.length;
    this.#pieces[this.#pieces.length - 1] = this.#pack.subarray(0, this.#packed);
  }

  #takeRecord(): RpcRecord {
    const record = this.#pieces;
    this.#pieces = [];
    this.#length = 0;
    this.#emptyMarksBytes = 0;
    this.#pack = undefined;
    return record;
  }
}

const SLAB_BYTES = 64 * 1024;
/** Below this a message would often not fit; the rest of the slab is given up. */
const MIN_ROOM_BYTES = 1024;

/**
 * Encodes messages as records of one fragment, mark and message in one: some readers (klibc's boot
 * client) take a whole reply from a single read().
 *
 * Small values of consecutive records stand one after the other in shared slabs, so that a
 * {@link SendQueue} can send many records as one piece. What was encoded is never overwritten.
 */
export class RecordEncoder {
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #used = 0;

  /** @returns the record's pieces, mark included. When `write` throws, nothing was encoded. */
  encode(write: (writer: XdrWriter) => void): RpcRecord {
    if (this.#slab.length - this.#used < MIN_ROOM_BYTES) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#used = 0;
    }
    const writer = new XdrWriter(this.#slab.subarray(this.#used));
    writer.uint32(0);
    write(writer);
    const length = writer.length - MARK_BYTES;
    const pieces = writer.finish();
    for (const piece of pieces) {
      if (piece.buffer === this.#slab.buffer) this.#used = piece.byteOffset + piece.length;
    }
    const [first] = pieces;
    if (first !== undefined) setMark(first, length);
    return pieces;
  }
}

function setMark(piece: Uint8Array, length: number): void {
  new DataView(piece.buffer, piece.byteOffset).setUint32(0, (LAST_FRAGMENT | length) >>> 0);
}

/** The record without its mark: a datagram needs none (RFC 5531 section 11). */
export function withoutMark(record: RpcRecord): Uint8Array[] {
  return record.map((piece, index) => (index === 0 ? piece.subarray(MARK_BYTES) : piece));
}
