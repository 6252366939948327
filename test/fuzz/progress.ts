import { MAX_INPUT_BYTES } from './parser.ts';

const BEGUN = 0;
const LENGTH = 1;
const HEADER_BYTES = 8;

/**
 * Memory that the fuzzing thread shares with the one that watches over it: how many inputs were
 * begun, and the last of them. It outlives a thread that hangs or runs out of memory.
 */
export class Progress {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(memory = new SharedArrayBuffer(HEADER_BYTES + MAX_INPUT_BYTES)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, HEADER_BYTES / 4);
    this.#bytes = new Uint8Array(memory, HEADER_BYTES);
  }

  begin(input: Uint8Array): void {
    this.#bytes.set(input.subarray(0, MAX_INPUT_BYTES));
    Atomics.store(this.#words, LENGTH, Math.min(input.length, MAX_INPUT_BYTES));
    Atomics.add(this.#words, BEGUN, 1);
  }

  get begun(): number {
    return Atomics.load(this.#words, BEGUN);
  }

  get input(): Uint8Array {
    return Uint8Array.from(this.#bytes.subarray(0, Atomics.load(this.#words, LENGTH)));
  }
}
