import { setImmediate as turn } from 'node:timers/promises';

const GIVE_UP_MS = 10_000;

/** Resolves when `condition` holds. It has no say in how fast: giving up only ends a hopeless test. */
export async function until(condition: () => boolean): Promise<void> {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > GIVE_UP_MS)
      throw new Error(`never came true: ${String(condition)}`);
    await turn();
  }
}
