/**
 * How long a server takes to answer, and so when it is late: the estimator of TCP's retransmission
 * timer (RFC 6298 section 2), fed with the time from call to answer. Milliseconds.
 */
export class LatencyEstimator {
  readonly #floorMs: number;
  #smoothed: number | undefined;
  #variation = 0;

  /** Sooner than `floorMs` nobody is late. */
  constructor(floorMs: number) {
    this.#floorMs = floorMs;
  }

  observe(ms: number): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = ms;
      this.#variation = ms / 2;
      return;
    }
    this.#variation += (Math.abs(this.#smoothed - ms) - this.#variation) / 4;
    this.#smoothed += (ms - this.#smoothed) / 8;
  }

  /** The smoothed latency; undefined before the first answer. */
  get smoothedMs(): number | undefined {
    return this.#smoothed;
  }

  /** An answer that takes longer is late. */
  get patienceMs(): number {
    if (this.#smoothed === undefined) return this.#floorMs;
    return Math.max(this.#floorMs, this.#smoothed + 4 * this.#variation);
  }
}
