import { lockFile, LockHeldError } from '@rowfs/lock-file';
import { ShadowError } from './shadow-error.ts';

/**
 * Takes the lock file at `path`, of a shadow or of what has several, for this process.
 *
 * @returns what gives it back.
 * @throws ShadowError SHADOW_IN_USE, naming the process that has it.
 */
export function lockShadow(path: string): () => void {
  try {
    return lockFile(path);
  } catch (error) {
    if (!(error instanceof LockHeldError)) throw error;
    throw new ShadowError(
      'SHADOW_IN_USE',
      `the shadow is in use by process ${error.pid} (lock file ${path}): stop it, or use another shadow`,
      { cause: error },
    );
  }
}
