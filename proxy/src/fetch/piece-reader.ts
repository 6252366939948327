/** Copying less than this costs less than keeping a receive buffer alive for it. */
const MIN_SHARED_BYTES = 32 * 1024;

/**
 * Takes bytes off the front of the pieces in which they were received. What is large is a view of its
 * piece: fresh memory for a copy costs more time than all else that is done with the bytes.
 */
export class PieceReader {
  readonly #pieces: readonly Uint8Array[];
  #index = 0;
  #at = 0;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = joined(pieces);
  }

  /** @throws RangeError when there are fewer. */
  take(length: number): Buffer {
    const first = this.#next(length);
    if (first.length === length && length >= MIN_SHARED_BYTES) {
      return Buffer.from(first.buffer, first.byteOffset, length);
    }
    const taken = Buffer.allocUnsafe(length);
    taken.set(first);
    for (let have = first.length; have < length;) {
      const piece = this.#next(length - have);
      taken.set(piece, have);
      have += piece.length;
    }
    return taken;
  }

  /** At most `length` bytes, and one at least. */
  #next(length: number): Uint8Array {
    const piece = this.#pieces[this.#index];
    if (piece === undefined) throw new RangeError('there are not as many bytes');
    const part = piece.subarray(this.#at, this.#at + length);
    this.#at += part.length;
    if (this.#at === piece.length) {
      this.#index += 1;
      this.#at = 0;
    }
    return part;
  }
}

/** Pieces that stand one after the other in memory, as one. */
function joined(pieces: readonly Uint8Array[]): Uint8Array[] {
  const whole: Uint8Array[] = [];
  for (const piece of pieces) {
    if (piece.length === 0) continue;
    const last = whole.at(-1);
    const isNext =
      last?.buffer === piece.buffer && last.byteOffset + last.length === piece.byteOffset;
    if (last === undefined || !isNext) whole.push(piece);
    else {
      const length = last.length + piece.length;
      whole[whole.length - 1] = new Uint8Array(last.buffer, last.byteOffset, length);
    }
  }
  return whole;
}
