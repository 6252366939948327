/** Sizes are powers of two, from one page up. */
const SMALLEST_SHIFT = 12;
const LARGEST_SHIFT = 21;

/** Memory that was lent. Whoever uses it besides the one who took it, holds it meanwhile. */
export class Loan {
  readonly bytes: Buffer;
  readonly #giveBack: (bytes: Buffer) => void;
  #users = 1;

  constructor(bytes: Buffer, giveBack: (bytes: Buffer) => void) {
    this.bytes = bytes;
    this.#giveBack = giveBack;
  }

  hold(): void {
    this.#users += 1;
  }

  /** Once for the one who took it, and once for each {@link hold}: then others may get the memory. */
  release(): void {
    this.#users -= 1;
    if (this.#users === 0) this.#giveBack(this.bytes);
  }
}

/**
 * Buffers that are used again. A new one for each READ costs more than the READ: the system has to find
 * and clear its pages, and the collector of garbage to be told of it.
 */
export class BufferPool {
  readonly #maxFreeBytes: number;
  /** By size; what came back last is taken first, for it is in the processor's cache. */
  readonly #free: Buffer[][] = [];
  #freeBytes = 0;

  /** @param maxFreeBytes how much is kept that nobody uses now. */
  constructor(maxFreeBytes: number) {
    this.#maxFreeBytes = maxFreeBytes;
  }

  /** At least `length` bytes, with whatever was in them. What is never released is not used again. */
  take(length: number): Loan {
    const shift = Math.max(SMALLEST_SHIFT, 32 - Math.clz32(length - 1));
    const free = shift > LARGEST_SHIFT ? undefined : (this.#free[shift] ??= []);
    const used = free?.pop();
    if (used !== undefined) this.#freeBytes -= used.length;
    const bytes = used ?? Buffer.allocUnsafeSlow(free === undefined ? length : 2 ** shift);
    return new Loan(bytes, (back) => {
      if (free === undefined || this.#freeBytes + back.length > this.#maxFreeBytes) return;
      this.#freeBytes += back.length;
      free.push(back);
    });
  }
}
