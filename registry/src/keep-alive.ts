import { sleep, type Clock } from './clock.ts';

/** How soon a failed refresh is tried again, at most. */
const MAX_RETRY_MS = 5000;

/** Something that has to be done again and again to stay true, until it is stopped. */
export interface KeepAlive {
  /** Resolves when no refresh runs any more. */
  stop(): Promise<void>;
}

/**
 * Runs `refresh` now and then whenever the milliseconds it returned have passed, with up to 10 %
 * taken off at random so that a fleet does not beat in step. A failure is reported and retried
 * sooner. `refresh` returns undefined to end it.
 */
export function keepAlive(
  clock: Clock,
  refresh: () => Promise<number | undefined>,
  onError: (error: unknown) => void,
): KeepAlive {
  const stopped = new AbortController();
  const run = async (): Promise<void> => {
    let intervalMs = MAX_RETRY_MS;
    while (!stopped.signal.aborted) {
      let waitMs;
      try {
        const next = await refresh();
        if (next === undefined) return;
        intervalMs = next;
        waitMs = intervalMs * (1 - 0.1 * Math.random());
      } catch (error) {
        onError(error);
        waitMs = Math.min(MAX_RETRY_MS, intervalMs / 4);
      }
      await sleep(clock, waitMs, stopped.signal);
    }
  };
  const running = run();
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}
