/** What was known when bytes were asked for; see {@link LinkEstimator.asked}. */
export interface Asked {
  readonly bytes: number;
  readonly at: number;
  readonly delivered: number;
  readonly deliveredAt: number;
  /** The link was not filled: what it brings says nothing of how much it could. */
  readonly isIdle: boolean;
}

/** Bytes in flight before anything is known: what a slow line takes a second or two for. */
const FIRST_WINDOW_BYTES = 256 * 1024;
/** What one server may cost in memory. */
const MAX_WINDOW_BYTES = 32 * 1024 * 1024;
/** On a short way the server's own time counts, not the way's. */
const MIN_ROUND_TRIP_MS = 10;
/** The window is this much larger than what the link is known to hold: while it grows, and later. */
const STARTING_GAIN = 3;
const STEADY_GAIN = 1.25;
/** The link is full when its rate grew by less than this in so many round trips. */
const GROWTH = 1.25;
const ROUNDS_WITHOUT_GROWTH = 2;
/** For how many round trips the best rate is believed, at least; twice as many at most. */
const MEMORY_ROUNDS = 8;
/** So many READs share a window: an urgent one waits for a part of one only. */
const READS_PER_WINDOW = 8;

/**
 * How fast one server delivers, how far away it is, and so how many bytes to keep in flight: the
 * model of BBR (Cardwell et al., ACM Queue 14:5, 2016), with the bytes of READs instead of packets.
 * The window is the best delivery rate seen lately times the shortest round trip, and a little more,
 * so that it grows with the link: threefold in each round trip at first, until that brings nothing more.
 */
export class LinkEstimator {
  #inFlight = 0;
  #delivered = 0;
  #deliveredAt = 0;
  /** What is asked for before more than this was delivered, is asked on a link that is not filled. */
  #idleUntil = -1;
  #roundTripMs = Infinity;
  #best = 0;
  #bestBefore = 0;
  #round = 0;
  #roundEnds = 0;
  #fullRate = 0;
  #roundsWithoutGrowth = 0;

  /** Bytes that were asked for and have not come. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Bytes per millisecond; undefined before any came. */
  get rate(): number | undefined {
    const rate = Math.max(this.#best, this.#bestBefore);
    return rate === 0 ? undefined : rate;
  }

  /** The shortest time that a call took, in milliseconds; 0 before there was one. */
  get roundTripMs(): number {
    return this.#roundTripMs === Infinity ? 0 : this.#roundTripMs;
  }

  /** Bytes that should be in flight. */
  get windowBytes(): number {
    const { rate } = this;
    if (rate === undefined) return FIRST_WINDOW_BYTES;
    const gain = this.#isFull() ? STEADY_GAIN : STARTING_GAIN;
    const wanted = gain * rate * Math.max(this.roundTripMs, MIN_ROUND_TRIP_MS);
    const least = this.#isFull() ? 0 : FIRST_WINDOW_BYTES;
    return Math.min(MAX_WINDOW_BYTES, Math.max(least, wanted));
  }

  /** How large a READ should be so that the ones behind it do not wait long. */
  get readBytes(): number {
    return this.windowBytes / READS_PER_WINDOW;
  }

  /** How long it would take until `bytes` came that are asked for now. */
  etaMs(bytes: number): number {
    const trip = Math.max(this.roundTripMs, 1);
    const rate = this.rate ?? FIRST_WINDOW_BYTES / Math.max(trip, MIN_ROUND_TRIP_MS);
    return trip + (this.#inFlight + bytes) / rate;
  }

  /** A call with a short answer took this long. */
  roundTrip(ms: number): void {
    this.#roundTripMs = Math.min(this.#roundTripMs, ms);
  }

  /** Bytes are asked for. What is returned goes to `arrived` or `lost`. */
  asked(bytes: number, now = performance.now()): Asked {
    if (this.#inFlight === 0) this.#deliveredAt = now;
    this.#inFlight += bytes;
    return {
      bytes,
      at: now,
      delivered: this.#delivered,
      deliveredAt: this.#deliveredAt,
      isIdle: this.#delivered <= this.#idleUntil,
    };
  }

  /** Nothing more is to be asked for at the moment, though the window has room. */
  idle(): void {
    this.#idleUntil = this.#delivered + this.#inFlight;
  }

  arrived(asked: Asked, now = performance.now()): void {
    this.#inFlight -= asked.bytes;
    this.#delivered += asked.bytes;
    this.#deliveredAt = now;
    this.roundTrip(now - asked.at);
    const ms = Math.max(now - asked.deliveredAt, 0.1);
    this.#observe((this.#delivered - asked.delivered) / ms, asked);
  }

  /** They will not come, or not be heard of. */
  lost(asked: Asked): void {
    this.#inFlight -= asked.bytes;
  }

  /** Begins small again, as with a server that is not known. */
  restart(): void {
    this.#best = 0;
    this.#bestBefore = 0;
    this.#fullRate = 0;
    this.#roundsWithoutGrowth = 0;
  }

  #observe(rate: number, { delivered, isIdle }: Asked): void {
    if (isIdle && rate <= (this.rate ?? 0)) return;
    this.#best = Math.max(this.#best, rate);
    if (isIdle || delivered < this.#roundEnds) return;
    this.#roundEnds = this.#delivered;
    this.#round += 1;
    if (this.#best >= this.#fullRate * GROWTH) {
      this.#fullRate = this.#best;
      this.#roundsWithoutGrowth = 0;
    } else {
      this.#roundsWithoutGrowth += 1;
    }
    if (this.#round % MEMORY_ROUNDS !== 0) return;
    this.#bestBefore = this.#best;
    this.#best = 0;
  }

  #isFull(): boolean {
    return this.#roundsWithoutGrowth >= ROUNDS_WITHOUT_GROWTH;
  }
}
