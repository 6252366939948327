import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Asked, LinkEstimator } from './link-estimator.ts';

/** A link of some rate (bytes per ms) and round trip, on a clock of its own. */
class VirtualLink {
  readonly estimator = new LinkEstimator();
  rate: number;
  readonly #roundTripMs: number;
  readonly #underWay: { readonly due: number; readonly asked: Asked }[] = [];
  #now = 1000;
  #freeAt = 0;

  constructor(rate: number, roundTripMs: number) {
    this.rate = rate;
    this.#roundTripMs = roundTripMs;
    this.estimator.roundTrip(roundTripMs);
  }

  get capacity(): number {
    return this.rate * this.#roundTripMs;
  }

  ask(bytes: number): void {
    const asked = this.estimator.asked(bytes, this.#now);
    this.#freeAt = Math.max(this.#freeAt, this.#now + this.#roundTripMs) + bytes / this.rate;
    this.#underWay.push({ due: this.#freeAt, asked });
  }

  /** Asks for all that the window has room for, as long as there is something to ask for. */
  busy(ms: number): void {
    const end = this.#now + ms;
    while (this.#now < end) {
      const { windowBytes, readBytes } = this.estimator;
      while (this.estimator.inFlight < windowBytes) this.ask(Math.max(readBytes, 4096));
      this.receive();
    }
  }

  receive(): void {
    const next = this.#underWay.shift();
    assert.ok(next !== undefined);
    this.#now = next.due;
    this.estimator.arrived(next.asked, this.#now);
  }

  wait(ms: number): void {
    this.#now += ms;
  }
}

describe('LinkEstimator', () => {
  for (const [megabits, roundTripMs] of [
    [10, 68],
    [100, 68],
    [1000, 68],
    [1000, 23],
  ] as const) {
    it(`finds what a link of ${megabits} Mbit/s and ${roundTripMs} ms holds, and little more`, () => {
      const link = new VirtualLink(megabits * 125, roundTripMs);
      link.busy(4_000);
      const { windowBytes } = link.estimator;
      assert.ok(windowBytes >= link.capacity, `${windowBytes} of ${link.capacity}`);
      assert.ok(windowBytes <= 1.4 * link.capacity, `${windowBytes} of ${link.capacity}`);
    });
  }

  it('fills a long fast link within some round trips', () => {
    const link = new VirtualLink(125_000, 68);
    link.busy(6 * 68);
    assert.ok(link.estimator.windowBytes >= link.capacity);
  });

  it('follows a link that becomes faster, and one that becomes slower', () => {
    const link = new VirtualLink(12_500, 68);
    link.busy(4_000);
    link.rate = 50_000;
    link.busy(4_000);
    assert.ok(link.estimator.windowBytes >= link.capacity);
    link.rate = 12_500;
    link.busy(8_000);
    assert.ok(link.estimator.windowBytes <= 1.4 * link.capacity);
  });

  it('does not take a link that is not used for a slow one', () => {
    const link = new VirtualLink(12_500, 68);
    link.busy(4_000);
    while (link.estimator.inFlight > 0) link.receive();
    for (let i = 0; i < 100; i += 1) {
      link.estimator.idle();
      link.ask(4096);
      link.receive();
      link.wait(50);
    }
    assert.ok(link.estimator.windowBytes >= link.capacity);
  });

  it('forgets what was lost', () => {
    const estimator = new LinkEstimator();
    const asked = estimator.asked(100_000);
    assert.equal(estimator.inFlight, 100_000);
    estimator.lost(asked);
    assert.equal(estimator.inFlight, 0);
    assert.equal(estimator.rate, undefined);
  });

  it('expects an answer later the more is under way', () => {
    const link = new VirtualLink(12_500, 68);
    link.busy(4_000);
    while (link.estimator.inFlight > 0) link.receive();
    const alone = link.estimator.etaMs(125_000);
    assert.ok(Math.abs(alone - 78) < 5, String(alone));
    link.ask(1_250_000);
    assert.ok(link.estimator.etaMs(125_000) > alone + 90);
  });
});
