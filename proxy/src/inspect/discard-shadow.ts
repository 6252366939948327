import { existsSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { lockShadow } from '../shadow/lock-shadow.ts';
import { recordsPath } from '../shadow/make-shadow.ts';
import { ShadowError } from '../shadow/shadow-error.ts';
import { syncDirectory } from '../store/sync-directory.ts';

/** What a name in the directory of shadows begins with while its contents go. */
const GOING = '.going-';

/**
 * Drops a shadow: from its next start on, a machine is as pristine as the image. It is gone at once, and
 * stays gone whenever this is interrupted; the space comes after, if need be with the next
 * {@link clearDiscarded}.
 *
 * @throws ShadowError SHADOW_IN_USE, naming the process; SHADOW_UNUSABLE when there is none
 */
export async function discardShadow(directory: string): Promise<void> {
  const path = resolve(directory);
  if (!existsSync(recordsPath(path)))
    throw new ShadowError('SHADOW_UNUSABLE', `there is no shadow in ${path}`);
  const unlock = lockShadow(join(path, 'lock'));
  const going = join(dirname(path), `${GOING}${basename(path)}-${process.pid}-${Date.now()}`);
  try {
    await rename(path, going);
  } catch (error) {
    unlock();
    throw error;
  }
  await syncDirectory(dirname(path));
  await rm(going, { recursive: true, force: true });
}

/** Gives back the space of shadows whose discarding was interrupted. */
export async function clearDiscarded(shadows: string): Promise<void> {
  for (const name of await readdir(shadows).catch(() => []))
    if (name.startsWith(GOING)) await rm(join(shadows, name), { recursive: true, force: true });
}
