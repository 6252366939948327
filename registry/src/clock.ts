/** A timer that can be taken back. */
export interface Timer {
  cancel(): void;
}

/**
 * The only source of time in the registry, so that the tables also run on a virtual clock.
 * `now()` is in whole milliseconds since the epoch.
 */
export interface Clock {
  now(): number;
  /** Runs `action` once after `ms`; it never keeps the process alive by itself. */
  after(ms: number, action: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Resolves after `ms`, or at once when `signal` aborts. Never rejects. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const done = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after(ms, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}
