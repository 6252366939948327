import { setTimeout as pause } from 'node:timers/promises';
import { lockFile } from './lock-file.ts';
import { LockHeldError } from './lock-held-error.ts';

const LOOK_MS = 50;

export interface WaitOptions {
  /** How long to wait for who has it. */
  readonly patienceMs: number;
}

/**
 * Does something while this process has the lock file at `path`; waits for it first. This process, too, has it once
 * at a time.
 *
 * @throws LockHeldError when it was held for all that time; what `act` throws
 */
export async function withLockFile<Result>(
  path: string,
  { patienceMs }: WaitOptions,
  act: () => Promise<Result>,
): Promise<Result> {
  const unlock = await untilLocked(path, performance.now() + patienceMs);
  try {
    return await act();
  } finally {
    unlock();
  }
}

async function untilLocked(path: string, end: number): Promise<() => void> {
  for (;;) {
    try {
      return lockFile(path);
    } catch (error) {
      if (!(error instanceof LockHeldError) || performance.now() >= end) throw error;
    }
    await pause(LOOK_MS);
  }
}
