import type { VirtualClock } from './virtual-clock.ts';

const REAL_STEP_MS = 1;
const VIRTUAL_STEP_MS = 1000;

/** As `clock.until`, for work that waits for files too, which only real time brings. */
export async function patiently<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  const state = { done: false };
  const finished = work.finally(() => {
    state.done = true;
  });
  // Its failure is the caller's to see, below; not an unhandled rejection before that.
  finished.catch(() => undefined);
  while (!state.done) {
    await new Promise((resolve) => setTimeout(resolve, REAL_STEP_MS));
    await clock.advance(VIRTUAL_STEP_MS);
  }
  return finished;
}
