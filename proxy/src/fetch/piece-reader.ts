/** Takes bytes off the front of several pieces, as copies. */
export class PieceReader {
  readonly #pieces: readonly Uint8Array[];
  #index = 0;
  #at = 0;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
  }

  /** @throws RangeError when there are fewer. */
  take(length: number): Buffer {
    const taken = Buffer.allocUnsafeSlow(length);
    let have = 0;
    while (have < length) {
      const part = this.#pieces[this.#index];
      if (part === undefined) throw new RangeError('there are not as many bytes');
      const piece = part.subarray(this.#at, this.#at + length - have);
      taken.set(piece, have);
      have += piece.length;
      this.#at += piece.length;
      if (this.#at < part.length) continue;
      this.#index += 1;
      this.#at = 0;
    }
    return taken;
  }
}
