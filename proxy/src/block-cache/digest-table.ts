import { DIGEST_BYTES } from '@rowfs/image';

const WORDS = DIGEST_BYTES / Uint32Array.BYTES_PER_ELEMENT;

/**
 * Finds digests among many: open addressing over the bytes that they stand in, 8 bytes for each besides
 * them. A digest is a random number already, so its first word is its hash.
 */
export class DigestTable {
  readonly #words: Uint32Array;
  /** Index of a digest plus one; 0 where there is none. */
  readonly #slots: Uint32Array;
  readonly #mask: number;

  /** @param digests one after the other. */
  constructor(digests: Buffer) {
    this.#words = wordsOf(digests);
    const count = this.#words.length / WORDS;
    const size = 2 ** Math.ceil(Math.log2(Math.max(2, count * 2)));
    this.#slots = new Uint32Array(size);
    this.#mask = size - 1;
    for (let index = 0; index < count; index += 1) {
      const slot = this.#slotOf(this.#words, index * WORDS);
      // Of those that are equal the first one counts.
      if (this.#slots[slot] === 0) this.#slots[slot] = index + 1;
    }
  }

  /** Which of the digests stands at `words[at]`, the first of equal ones; -1 when none does. */
  indexOf(words: Uint32Array, at: number): number {
    return (this.#slots[this.#slotOf(words, at)] ?? 0) - 1;
  }

  /** For each digest which is the first that equals it. */
  firsts(): Uint32Array {
    const count = this.#words.length / WORDS;
    return Uint32Array.from({ length: count }, (_, index) =>
      this.indexOf(this.#words, index * WORDS),
    );
  }

  /** Where the digest is, or would be. */
  #slotOf(words: Uint32Array, at: number): number {
    let slot = (words[at] ?? 0) & this.#mask;
    for (;;) {
      const index = this.#slots[slot] ?? 0;
      if (index === 0 || this.#isAt(index - 1, words, at)) return slot;
      slot = (slot + 1) & this.#mask;
    }
  }

  #isAt(index: number, words: Uint32Array, at: number): boolean {
    for (let word = 0; word < WORDS; word += 1)
      if (this.#words[index * WORDS + word] !== words[at + word]) return false;
    return true;
  }
}

/** The bytes as words of this machine; a copy when they do not lie on a word's boundary. */
export function wordsOf(bytes: Buffer): Uint32Array {
  const aligned =
    bytes.byteOffset % Uint32Array.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new Uint32Array(
    aligned.buffer,
    aligned.byteOffset,
    Math.floor(bytes.length / Uint32Array.BYTES_PER_ELEMENT),
  );
}
