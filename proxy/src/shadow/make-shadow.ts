import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { RecordStore } from '../store/record-store.ts';
import { syncDirectory } from '../store/sync-directory.ts';
import { SHADOW_ID_BYTES } from './handle.ts';
import { encodeId, metaKey } from './records.ts';
import { makeShards } from './shadow-files.ts';

export const FORMAT = '4';
export const FORMAT_KEY = metaKey('format');
export const ID_KEY = metaKey('id');
export const OWNER_KEY = metaKey('belongs-to');
export const NEXT_ID_KEY = metaKey('next-id');
/** The handle that the image's root has in the lower. */
export const ROOT_KEY = metaKey('root');

export const recordsPath = (shadow: string): string => join(shadow, 'records');
export const dataPath = (shadow: string): string => join(shadow, 'data');

/**
 * Makes what a shadow consists of in `directory`, unless it is there. A shadow is there when its
 * records are, and these are made aside and moved to their place last: half a database, as a power
 * cut would leave it, could never be opened again.
 *
 * The caller has locked the directory. `owner` is kept as JSON.
 */
export async function makeShadow(directory: string, owner: unknown): Promise<void> {
  if (existsSync(recordsPath(directory))) return;
  makeShards(dataPath(directory));
  await syncDirectory(dataPath(directory));
  const aside = join(directory, 'new-records');
  removeRecords(aside);
  mkdirSync(aside, { mode: 0o700 });
  await writeRecords(aside, owner);
  await syncDirectory(aside);
  // First the names of all that the records speak for, then the one that says they are there.
  await syncDirectory(directory);
  renameSync(aside, recordsPath(directory));
  await syncDirectory(directory);
}

async function writeRecords(path: string, owner: unknown): Promise<void> {
  const records = new RecordStore(path, () => undefined);
  records.stage(
    new Map([
      [FORMAT_KEY, Buffer.from(FORMAT)],
      [ID_KEY, randomBytes(SHADOW_ID_BYTES)],
      [OWNER_KEY, Buffer.from(JSON.stringify(owner))],
      [NEXT_ID_KEY, encodeId(1)],
    ]),
  );
  await records.close();
}

/** What was being made when its process was killed. */
function removeRecords(path: string): void {
  if (!existsSync(path)) return;
  for (const name of readdirSync(path)) unlinkSync(join(path, name));
  rmdirSync(path);
}
