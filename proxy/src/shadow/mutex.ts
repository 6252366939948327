/** Lets one task at a time through, first come first served. */
export class Mutex {
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  get idle(): boolean {
    return this.#waiting === 0;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    const previous = this.#tail;
    this.#waiting += 1;
    const result = previous.then(task, task);
    // A task that failed has told its own caller; the next one starts all the same.
    this.#tail = result.catch(() => undefined);
    try {
      return await result;
    } finally {
      this.#waiting -= 1;
    }
  }
}
