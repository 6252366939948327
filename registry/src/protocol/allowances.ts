import type { Clock } from '../clock.ts';

/** What one peer may ask of a node for long, and at once. */
export const REQUESTS_PER_SECOND = 500;
export const REQUESTS_AT_ONCE = 2000;
export const ANSWER_BYTES_PER_SECOND = 4 * 1024 * 1024;
export const ANSWER_BYTES_AT_ONCE = 32 * 1024 * 1024;

/** An allowance that fills up evenly, and may be overdrawn once. */
class TokenBucket {
  readonly #perSecond: number;
  readonly #atOnce: number;
  #tokens: number;
  #at: number;

  constructor(perSecond: number, atOnce: number, now: number) {
    this.#perSecond = perSecond;
    this.#atOnce = atOnce;
    this.#tokens = atOnce;
    this.#at = now;
  }

  take(amount: number, now: number): void {
    this.#fill(now);
    this.#tokens -= amount;
  }

  /** In how many milliseconds there is something to take again; 0 when there is. */
  waitMs(now: number): number {
    this.#fill(now);
    return this.#tokens > 0 ? 0 : Math.ceil((1000 * (1 - this.#tokens)) / this.#perSecond);
  }

  isFull(now: number): boolean {
    this.#fill(now);
    return this.#tokens === this.#atOnce;
  }

  #fill(now: number): void {
    const passed = Math.max(0, now - this.#at);
    this.#tokens = Math.min(this.#atOnce, this.#tokens + (passed * this.#perSecond) / 1000);
    this.#at = now;
  }
}

/** What one peer has left, over all its streams. */
export class Allowance {
  readonly #clock: Clock;
  readonly #requests: TokenBucket;
  readonly #bytes: TokenBucket;

  constructor(clock: Clock) {
    const now = clock.now();
    this.#clock = clock;
    this.#requests = new TokenBucket(REQUESTS_PER_SECOND, REQUESTS_AT_ONCE, now);
    this.#bytes = new TokenBucket(ANSWER_BYTES_PER_SECOND, ANSWER_BYTES_AT_ONCE, now);
  }

  /** In how many milliseconds the peer's next request may be worked on; 0 for now. */
  waitMs(): number {
    const now = this.#clock.now();
    return Math.max(this.#requests.waitMs(now), this.#bytes.waitMs(now));
  }

  countRequest(): void {
    this.#requests.take(1, this.#clock.now());
  }

  countAnswer(bytes: number): void {
    this.#bytes.take(bytes, this.#clock.now());
  }

  /** Whether the peer has not been heard of for long enough to have everything again. */
  isUnused(): boolean {
    const now = this.#clock.now();
    return this.#requests.isFull(now) && this.#bytes.isFull(now);
  }
}

/** Above so many, those that are not in use are dropped. */
const MANY = 1024;

/** The allowances of all peers that ask. */
export class Allowances {
  readonly #clock: Clock;
  readonly #ofPeers = new Map<string, Allowance>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(peerId: string): Allowance {
    const known = this.#ofPeers.get(peerId);
    if (known !== undefined) return known;
    if (this.#ofPeers.size >= MANY) {
      for (const [id, each] of this.#ofPeers) if (each.isUnused()) this.#ofPeers.delete(id);
    }
    const allowance = new Allowance(this.#clock);
    this.#ofPeers.set(peerId, allowance);
    return allowance;
  }
}
