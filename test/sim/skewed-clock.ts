import type { Clock, Timer } from '@rowfs/registry';

/** How wrong a node's clock is. */
export interface Skew {
  /** What it shows beyond the true time, in milliseconds. */
  readonly offsetMs: number;
  /** How fast it runs: 1.01 gains 36 s in an hour. */
  readonly rate: number;
}

/** The clock of a machine that nobody sets: the checker goes by the true one. */
export function skewedClock(trueClock: Clock, { offsetMs, rate }: Skew): Clock {
  const started = trueClock.now();
  return {
    now: () => Math.floor(started + (trueClock.now() - started) * rate + offsetMs),
    after: (ms: number, action: () => void): Timer => trueClock.after(ms / rate, action),
  };
}
