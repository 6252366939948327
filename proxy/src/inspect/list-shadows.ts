import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { lockHolder } from '@rowfs/lock-file';
import { recordsPath } from '../shadow/make-shadow.ts';
import { allocatedBytes } from '../shadow/shadow-file.ts';
import type { ShadowOwner } from '../shadow/shadow.ts';
import { messageOf } from '../proxy-error.ts';
import { changesOf } from './changes.ts';
import { ownerOf, readShadow } from './read-shadow.ts';
import type { Scan } from './scan.ts';

/** One of the shadows of a machine. */
export interface ShadowSummary {
  readonly name: string;
  readonly directory: string;
  /** What it was made over. */
  readonly belongsTo: ShadowOwner;
  /** The process that has it open. */
  readonly pid: number | undefined;
  /** Paths that differ from the image; undefined when that cannot be told. */
  readonly changes: number | undefined;
  /** What it takes of the disk. */
  readonly bytes: number;
  /** When something was last changed in it, as an ISO 8601 time. */
  readonly lastChanged: string;
  /** Why it cannot be read. */
  readonly error: string | undefined;
}

/** Where a machine's shadows are, each by its name. */
export const shadowsDirectory = (stateDirectory: string): string => join(stateDirectory, 'shadows');

/** The shadows in a proxy's state directory, by name; proxies that run are not disturbed. */
export async function listShadows(stateDirectory: string): Promise<ShadowSummary[]> {
  const root = shadowsDirectory(stateDirectory);
  const names = await readdir(root).catch(() => []);
  const summaries: ShadowSummary[] = [];
  // Names of shadows do not begin with a dot: that is what is being made or removed.
  for (const name of names.filter((each) => !each.startsWith('.')).sort()) {
    const directory = join(root, name);
    if (existsSync(recordsPath(directory))) summaries.push(await summaryOf(name, directory));
  }
  return summaries;
}

async function summaryOf(name: string, directory: string): Promise<ShadowSummary> {
  const records = await stat(join(recordsPath(directory), 'data.mdb'));
  const known = {
    name,
    directory,
    pid: lockHolder(join(directory, 'lock')),
    lastChanged: records.mtime.toISOString(),
  };
  try {
    return await readShadow(directory, (scan) => {
      const contents = [...scan.contents.values()].reduce((sum, each) => sum + each.diskBytes, 0);
      const belongsTo = ownerOf(scan.records);
      const bytes = contents + allocatedBytes(records);
      return { ...known, belongsTo, bytes, ...countOf(scan) };
    });
  } catch (error) {
    const bytes = allocatedBytes(records);
    return { ...known, belongsTo: {}, bytes, changes: undefined, error: messageOf(error) };
  }
}

function countOf(scan: Scan): Pick<ShadowSummary, 'changes' | 'error'> {
  try {
    return { changes: changesOf(scan).length, error: undefined };
  } catch (error) {
    return { changes: undefined, error: messageOf(error) };
  }
}
