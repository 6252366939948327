/** Which blocks were read, in the order in which each was read first: what a boot profile is made of. */
export class FirstUses {
  readonly #isUsed: Uint8Array;
  #order = new Uint32Array(1024);
  #count = 0;

  /** @param blockCount of the image. */
  constructor(blockCount: number) {
    this.#isUsed = new Uint8Array(blockCount);
  }

  note(number: number, count: number): void {
    for (let each = number; each < number + count; each += 1) {
      if (this.#isUsed[each] !== 0) continue;
      this.#isUsed[each] = 1;
      if (this.#count === this.#order.length) this.#grow();
      this.#order[this.#count] = each;
      this.#count += 1;
    }
  }

  get count(): number {
    return this.#count;
  }

  /** The numbers of the blocks. */
  order(): Uint32Array {
    return this.#order.slice(0, this.#count);
  }

  #grow(): void {
    const more = new Uint32Array(this.#order.length * 2);
    more.set(this.#order);
    this.#order = more;
  }
}
