import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { FORMAT, FORMAT_KEY, OWNER_KEY, recordsPath } from '../shadow/make-shadow.ts';
import { ShadowError } from '../shadow/shadow-error.ts';
import type { ShadowOwner } from '../shadow/shadow.ts';
import { readImage } from '@rowfs/image';
import { KnownPaths } from '../failover/known-paths.ts';
import { shadowManifestPath } from '../published/find-image.ts';
import { openRecordReader, type RecordReader } from '../store/record-reader.ts';
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
