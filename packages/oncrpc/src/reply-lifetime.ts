/**
 * How long a reply is in use. What it is made of must stay as it is until it was given to the operating
 * system, or until it is certain that it will not be sent; from then on the memory may be used again.
 */
export class ReplyLifetime {
  #callbacks: (() => void)[] = [];
  #hasEnded = false;

  /** Whether anybody waits for the end. */
  get isAwaited(): boolean {
    return this.#callbacks.length > 0;
  }

  /** Calls back once: at the end, or at once when that is past. */
  onEnd(callback: () => void): void {
    if (this.#hasEnded) callback();
    else this.#callbacks.push(callback);
  }

  end(): void {
    this.#hasEnded = true;
    for (const callback of this.#callbacks.splice(0)) callback();
  }
}
