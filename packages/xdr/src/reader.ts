import { XdrError } from './error.ts';

const EMPTY = new Uint8Array(0);
const TWO_TO_32 = 0x1_0000_0000;
/** So few bytes are copied sooner one by one than by a view of them: handles, for instance. */
const SMALL_BYTES = 64;

/** Bytes of padding that follow `length` bytes of opaque data (RFC 4506 section 4.9). */
export function paddingOf(length: number): number {
  return (4 - (length & 3)) & 3;
}

/**
 * Reads XDR (RFC 4506) from the pieces of one message, in order.
 *
 * The pieces are the buffers in which the message arrived; they are never joined. Small values are
 * copied out, so that what is kept does not keep a network buffer alive; payloads are handed on by
 * reference with {@link opaqueParts}.
 *
 * Every method throws {@link XdrError} on bytes that are not what it was asked for. After a throw
 * the position is undefined: the message is to be dropped.
 */
export class XdrReader {
  readonly #pieces: readonly Uint8Array[];
  #piece: Uint8Array;
  #view: DataView;
  #index = 0;
  #position = 0;
  #remaining: number;

  constructor(message: Uint8Array | readonly Uint8Array[]) {
    this.#pieces = message instanceof Uint8Array ? [message] : message;
    this.#piece = this.#pieces[0] ?? EMPTY;
    this.#view = viewOf(this.#piece);
    let remaining = 0;
    for (const piece of this.#pieces) remaining += piece.length;
    this.#remaining = remaining;
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#remaining;
  }

  /** Throws unless the whole message was read: left-over bytes mean that it was misunderstood. */
  end(): void {
    if (this.#remaining !== 0) {
      throw new XdrError(
        'TRAILING_BYTES',
        `${this.#remaining} bytes follow the end of the message`,
      );
    }
  }

  /** unsigned int, RFC 4506 section 4.2. */
  uint32(): number {
    const at = this.#position;
    if (at + 4 > this.#piece.length) return this.#uint32AcrossPieces();
    this.#position = at + 4;
    this.#remaining -= 4;
    return this.#view.getUint32(at);
  }

  /** int, section 4.1. */
  int32(): number {
    return this.uint32() | 0;
  }

  /** unsigned hyper, section 4.5: for identities (fileid, fsid, cookie) that use all 64 bits. */
  uint64(): bigint {
    const high = this.uint32();
    return (BigInt(high) << 32n) | BigInt(this.uint32());
  }

  /** unsigned hyper that is a count or an offset, as a number; beyond 2^53 - 1 it is refused. */
  uint53(): number {
    const high = this.uint32();
    const low = this.uint32();
    if (high > 0x1f_ffff) {
      throw new XdrError('BAD_VALUE', 'a size or an offset is beyond 2^53 - 1');
    }
    return high * TWO_TO_32 + low;
  }

  /** bool, section 4.4: anything but 0 and 1 is refused. */
  bool(): boolean {
    const value = this.uint32();
    if (value > 1) throw new XdrError('BAD_VALUE', `${value} is no bool`);
    return value === 1;
  }

  /** Fixed-length opaque, section 4.9: a copy. */
  fixedOpaque(length: number): Uint8Array {
    const copy = this.#copy(length);
    this.#skipPadding(length);
    return copy;
  }

  /** Variable-length opaque, section 4.10: a copy of at most `limit` bytes. */
  opaque(limit: number): Uint8Array {
    return this.fixedOpaque(this.#length(limit));
  }

  /**
   * Variable-length opaque, section 4.10, by reference: the parts of the message's own pieces, in
   * order. They are valid as long as the pieces are, and keep them alive.
   */
  opaqueParts(limit: number): Uint8Array[] {
    const length = this.#length(limit);
    this.#need(length);
    const parts: Uint8Array[] = [];
    for (let left = length; left > 0;) {
      this.#advance();
      const part = this.#piece.subarray(this.#position, this.#position + left);
      parts.push(part);
      this.#position += part.length;
      this.#remaining -= part.length;
      left -= part.length;
    }
    this.#skipPadding(length);
    return parts;
  }

  /** string, section 4.11, of at most `limit` bytes: one character per byte (latin1), lossless. */
  string(limit: number): string {
    const length = this.#length(limit);
    this.#need(length);
    const at = this.#position;
    const piece = this.#piece;
    let text: string;
    if (at + length <= piece.length) {
      text = Buffer.from(piece.buffer, piece.byteOffset + at, length).toString('latin1');
      this.#position = at + length;
      this.#remaining -= length;
    } else {
      text = Buffer.from(this.#copy(length)).toString('latin1');
    }
    this.#skipPadding(length);
    return text;
  }

  /** Optional data, section 4.19: undefined when the discriminant says that nothing follows. */
  optional<T>(read: (reader: XdrReader) => T): T | undefined {
    return this.bool() ? read(this) : undefined;
  }

  /** Everything that was not read yet, by reference. */
  rest(): Uint8Array[] {
    const parts: Uint8Array[] = [];
    while (this.#remaining > 0) {
      this.#advance();
      const part = this.#piece.subarray(this.#position);
      parts.push(part);
      this.#position = this.#piece.length;
      this.#remaining -= part.length;
    }
    return parts;
  }

  #length(limit: number): number {
    const length = this.uint32();
    if (length > limit) {
      throw new XdrError('TOO_LONG', `${length} bytes where at most ${limit} are allowed`);
    }
    return length;
  }

  #need(length: number): void {
    if (length > this.#remaining) {
      throw new XdrError('TRUNCATED', `${length} bytes wanted, ${this.#remaining} left`);
    }
  }

  /** Moves on to the next piece that has bytes; call only when some remain. */
  #advance(): void {
    while (this.#position === this.#piece.length) {
      this.#index += 1;
      this.#piece = this.#pieces[this.#index] ?? EMPTY;
      this.#view = viewOf(this.#piece);
      this.#position = 0;
    }
  }

  #copy(length: number): Uint8Array {
    this.#need(length);
    const copy = new Uint8Array(length);
    const at = this.#position;
    if (length <= SMALL_BYTES && at + length <= this.#piece.length) {
      const piece = this.#piece;
      for (let i = 0; i < length; i += 1) copy[i] = piece[at + i] ?? 0;
      this.#position = at + length;
      this.#remaining -= length;
      return copy;
    }
    for (let done = 0; done < length;) {
      this.#advance();
      const part = this.#piece.subarray(this.#position, this.#position + length - done);
      copy.set(part, done);
      this.#position += part.length;
      this.#remaining -= part.length;
      done += part.length;
    }
    return copy;
  }

  #skipPadding(length: number): void {
    const padding = paddingOf(length);
    if (padding === 0) return;
    // RFC 4506 section 4.9 wants zeros; deployed peers send garbage, so only the count is checked.
    if (this.#position + padding <= this.#piece.length) {
      this.#position += padding;
      this.#remaining -= padding;
    } else this.#copy(padding);
  }

  #uint32AcrossPieces(): number {
    return viewOf(this.#copy(4)).getUint32(0);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
