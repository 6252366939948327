import { XdrError } from './error.ts';
import { paddingOf } from './reader.ts';

const SLAB_BYTES = 64 * 1024;
/** Opaque data above this goes into the message by reference; below it a copy is cheaper. */
const REFERENCE_ABOVE_BYTES = 2 * 1024;
const PADDING = new Uint8Array(3);
const TWO_TO_32 = 0x1_0000_0000;

/**
 * Writes one XDR message (RFC 4506) as pieces to be sent in order.
 *
 * Small values are packed into slabs; payloads above 2 KiB become pieces of their own, never
 * copied: the caller must not change them until the message is sent.
 */
export class XdrWriter {
  readonly #pieces: Uint8Array[] = [];
  #slab: Uint8Array;
  #view: DataView;
  #start: number;
  #position: number;
  #length = 0;

  /** @param slab where small values go first; the rest of a shared slab, for instance. */
  constructor(slab: Uint8Array = Buffer.allocUnsafeSlow(1024)) {
    this.#slab = slab;
    this.#view = new DataView(slab.buffer, slab.byteOffset, slab.byteLength);
    this.#start = 0;
    this.#position = 0;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length + this.#position - this.#start;
  }

  /** unsigned int, RFC 4506 section 4.2. */
  uint32(value: number): void {
    if (this.#position + 4 > this.#slab.length) this.#newSlab(4);
    this.#view.setUint32(this.#position, value);
    this.#position += 4;
  }

  /** int, section 4.1. */
  int32(value: number): void {
    this.uint32(value >>> 0);
  }

  /** unsigned hyper, section 4.5. */
  uint64(value: bigint): void {
    if (this.#position + 8 > this.#slab.length) this.#newSlab(8);
    this.#view.setBigUint64(this.#position, value);
    this.#position += 8;
  }

  /** unsigned hyper from a non-negative safe integer. */
  uint53(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new XdrError('BAD_VALUE', `${value} is no size or offset`);
    }
    this.uint32(Math.floor(value / TWO_TO_32));
    this.uint32(value % TWO_TO_32);
  }

  /** bool, section 4.4. */
  bool(value: boolean): void {
    this.uint32(value ? 1 : 0);
  }

  /** Fixed-length opaque, section 4.9. */
  fixedOpaque(bytes: Uint8Array): void {
    this.#append(bytes);
    this.#pad(bytes.length);
  }

  /** Variable-length opaque, section 4.10. */
  opaque(bytes: Uint8Array): void {
    this.uint32(bytes.length);
    this.fixedOpaque(bytes);
  }

  /** Variable-length opaque, section 4.10, that stands in several parts. */
  opaqueParts(parts: readonly Uint8Array[]): void {
    let length = 0;
    for (const part of parts) length += part.length;
    this.uint32(length);
    for (const part of parts) this.#append(part);
    this.#pad(length);
  }

  /** string, section 4.11: one byte per character; a character above U+00FF is refused. */
  string(value: string): void {
    const length = value.length;
    this.uint32(length);
    const padded = length + paddingOf(length);
    if (this.#position + padded > this.#slab.length) this.#newSlab(padded);
    for (let i = 0; i < length; i += 1) {
      const byte = value.charCodeAt(i);
      if (byte > 0xff)
        throw new XdrError('BAD_VALUE', 'a name is to be given one character a byte');
      this.#slab[this.#position + i] = byte;
    }
    this.#slab.fill(0, this.#position + length, this.#position + padded);
    this.#position += padded;
  }

  /** Optional data, section 4.19. */
  optional<T>(value: T | undefined, write: (writer: XdrWriter, value: T) => void): void {
    this.bool(value !== undefined);
    if (value !== undefined) write(this, value);
  }

  /** The message's pieces, in order. The writer is not to be used afterwards. */
  finish(): Uint8Array[] {
    this.#closePiece();
    return this.#pieces;
  }

  #append(bytes: Uint8Array): void {
    if (bytes.length > REFERENCE_ABOVE_BYTES) {
      this.#closePiece();
      this.#pieces.push(bytes);
      this.#length += bytes.length;
      return;
    }
    if (this.#position + bytes.length > this.#slab.length) this.#newSlab(bytes.length);
    this.#slab.set(bytes, this.#position);
    this.#position += bytes.length;
  }

  #pad(length: number): void {
    const padding = paddingOf(length);
    if (padding > 0) this.#append(PADDING.subarray(0, padding));
  }

  #closePiece(): void {
    if (this.#position === this.#start) return;
    const piece = this.#slab.subarray(this.#start, this.#position);
    this.#pieces.push(piece);
    this.#length += piece.length;
    this.#start = this.#position;
  }

  #newSlab(atLeast: number): void {
    this.#closePiece();
    this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, atLeast));
    this.#view = new DataView(this.#slab.buffer, this.#slab.byteOffset, this.#slab.byteLength);
    this.#start = 0;
    this.#position = 0;
  }
}
