/**
 * Things that are slow to make and depend only on their inputs: kept across test runs in
 * $ROWFS_TEST_CACHE, or ~/.cache/rowfs-test, under the digest of those inputs.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The directory holding what `build` made from exactly these `inputs`; made now when it is not there.
 * `build` gets an empty directory that only appears under its final name when complete, so two test
 * processes may race for it and a killed build leaves nothing that looks finished.
 */
export async function cachedDirectory(
  name: string,
  inputs: readonly (string | Uint8Array)[],
  build: (directory: string) => Promise<void>,
): Promise<string> {
  const digest = createHash('sha256');
  for (const input of inputs) digest.update(input).update('\0');
  const cache = process.env['ROWFS_TEST_CACHE'] ?? join(homedir(), '.cache', 'rowfs-test');
  const finished = join(cache, `${name}-${digest.digest('hex').slice(0, 16)}`);
  if (await exists(finished)) return finished;

  await mkdir(cache, { recursive: true });
  const unfinished = await mkdtemp(join(cache, `.${name}-`));
  try {
    await build(unfinished);
    await rename(unfinished, finished);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    // Another process finished the same build first: theirs is as good as ours.
    if (!(await exists(finished))) throw error;
  }
  return finished;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
