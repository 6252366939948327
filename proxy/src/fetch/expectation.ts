import type { ServedImage } from './served-image.ts';

/** What takes longer than this many times what was expected, and this much, is late. */
const LATE_FACTOR = 3;
const LATE_MS = 100;
/** A server that says nothing for this many times what was expected is given up. */
const SILENT_FACTOR = 6;
/** What a line is taken to bring as long as nothing is known of it, in bytes per millisecond. */
const UNKNOWN_RATE = 64;

/** How long an answer that a server owes from now on may take, all that is on its way included. */
export class Expectation {
  readonly #served: ServedImage;
  readonly #since = performance.now();
  readonly #lateAt: number;
  readonly #silentAt: number;

  constructor(served: ServedImage) {
    this.#served = served;
    const { link, replica } = served;
    const expectedMs = link.etaMs(0);
    const longestMs =
      link.rate === undefined ? link.inFlight / UNKNOWN_RATE : expectedMs * SILENT_FACTOR;
    this.#lateAt = this.#since + expectedMs * LATE_FACTOR + LATE_MS;
    this.#silentAt = this.#since + Math.max(replica.latency.patienceMs, longestMs);
  }

  /** It takes so long that another server should be asked as well. */
  isOverdue(now: number): boolean {
    return now >= this.#lateAt;
  }

  /** The server has said nothing since, neither this nor anything else, for far too long. */
  isUnheard(now: number): boolean {
    return now >= this.#silentAt && this.#served.replica.isSilentSince(this.#since);
  }
}
