import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readImage } from '@rowfs/image';
import { KnownPaths } from '../failover/known-paths.ts';
import { shadowManifestPath } from '../published/find-image.ts';
import { lockShadow } from '../shadow/lock-shadow.ts';
import { FORMAT, FORMAT_KEY, OWNER_KEY, recordsPath } from '../shadow/make-shadow.ts';
import { ShadowError } from '../shadow/shadow-error.ts';
import type { ShadowOwner } from '../shadow/shadow.ts';
import { hasJournal } from '../store/journal.ts';
import { openRecordReader, type RecordReader } from '../store/record-reader.ts';
import { settleJournal } from '../store/record-store.ts';
import type { LowerPaths } from './lower-paths.ts';
import { ManifestPaths } from './manifest-paths.ts';
import { scan, type Scan } from './scan.ts';

/**
 * Reads a shadow as it is on stable storage at one moment, also while a proxy uses it: what was
 * written there and not committed is not seen.
 *
 * @param use must not keep the scan: the records are closed after it.
 * @throws ShadowError SHADOW_UNUSABLE, SHADOW_CORRUPT
 */
export async function readShadow<T>(
  directory: string,
  use: (scan: Scan) => T | Promise<T>,
): Promise<T> {
  const path = resolve(directory);
  if (!existsSync(recordsPath(path)))
    throw new ShadowError('SHADOW_UNUSABLE', `there is no shadow in ${path}`);
  await settleUnlessInUse(path);
  const records = openRecordReader(recordsPath(path));
  try {
    const format = records.get(FORMAT_KEY)?.toString('latin1') ?? 'none';
    if (format !== FORMAT)
      throw new ShadowError('SHADOW_CORRUPT', `${path} has the unknown format ${format}`);
    return await use(scan(path, records, await lowerPaths(path, records)));
  } finally {
    await records.close();
  }
}

/** From the manifest of a verified image; over plain exports, from the path table that failover kept. */
async function lowerPaths(path: string, records: RecordReader): Promise<LowerPaths | undefined> {
  const { digest } = ownerOf(records);
  if (digest === undefined) return KnownPaths.of(records);
  const wanted = { digest: Buffer.from(digest, 'hex') };
  // A manifest that is lost or damaged comes back at the next start of the proxy.
  const image = await readImage(shadowManifestPath(path), wanted).catch(() => undefined);
  return image && new ManifestPaths(image);
}

/** What a shadow was made over. */
export function ownerOf(records: RecordReader): ShadowOwner {
  return JSON.parse(records.get(OWNER_KEY)?.toString() ?? '{}') as ShadowOwner;
}

/** After a crash the journal may have contents that a power cut took from their files. */
async function settleUnlessInUse(directory: string): Promise<void> {
  if (!hasJournal(recordsPath(directory))) return;
  let unlock: () => void;
  try {
    unlock = lockShadow(join(directory, 'lock'));
  } catch (error) {
    if (error instanceof ShadowError && error.code === 'SHADOW_IN_USE') return;
    throw error;
  }
  try {
    await settleJournal(recordsPath(directory));
  } finally {
    unlock();
  }
}
