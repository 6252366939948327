import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { FORMAT, FORMAT_KEY, recordsPath } from '../shadow/make-shadow.ts';
import { ShadowError } from '../shadow/shadow-error.ts';
import { openRecordReader } from '../store/record-reader.ts';
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
    return await use(scan(path, records));
  } finally {
    await records.close();
  }
}
