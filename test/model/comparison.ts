import { type Fattr3, type Filehandle, Ftype3, type Nfstime3 } from '@rowfs/nfs3';
import type { DiskObject, Instant, ObjectType } from './local-disk.ts';
import { printable } from './operation.ts';
import type { SeenObject } from './read-back.ts';

const TYPES: Readonly<Record<Ftype3, ObjectType>> = {
  [Ftype3.REG]: 'file',
  [Ftype3.DIR]: 'directory',
  [Ftype3.LNK]: 'symlink',
  [Ftype3.FIFO]: 'fifo',
  [Ftype3.SOCK]: 'socket',
  [Ftype3.CHR]: 'character device',
  [Ftype3.BLK]: 'block device',
};

/** What is different between an object and what it should be; nothing when nothing is. */
export function differences(
  seen: SeenObject | undefined,
  disk: DiskObject | undefined,
  handleOf: (object: number) => Filehandle,
): string[] {
  if (disk === undefined) return seen === undefined ? [] : ['is there, and was removed'];
  if (seen === undefined) return ['is gone'];
  const found: string[] = [];
  const differ = (what: string, is: unknown, should: unknown): void => {
    if (is !== should) found.push(`${what} is ${String(is)}, on disk ${String(should)}`);
  };
  const { type, mode, nlink, uid, gid, size, rdev } = seen.attributes;
  differ('type', TYPES[type], disk.type);
  if (disk.type !== 'symlink') differ('mode', mode.toString(8), disk.mode.toString(8));
  differ('nlink', nlink, disk.nlink);
  differ('uid', uid, disk.uid);
  differ('gid', gid, disk.gid);
  if (disk.type !== 'directory') differ('size', size, disk.size);
  if (disk.type.endsWith('device')) {
    differ(
      'device',
      `${rdev.specdata1}:${rdev.specdata2}`,
      `${disk.rdev.major}:${disk.rdev.minor}`,
    );
  }
  differ('target', seen.target, disk.target);
  if (disk.content !== undefined) {
    found.push(...contentDifferences(seen.content ?? Buffer.alloc(0), disk.content));
  }
  if (disk.entries !== undefined) {
    found.push(...entryDifferences(seen.entries ?? new Map(), disk.entries, handleOf));
  }
  return found;
}

function contentDifferences(seen: Uint8Array, disk: Uint8Array): string[] {
  if (Buffer.compare(seen, disk) === 0) return [];
  if (seen.length !== disk.length) return [`has ${seen.length} bytes, on disk ${disk.length}`];
  const at = seen.findIndex((byte, index) => byte !== disk[index]);
  return [`byte ${at} is ${seen[at] ?? ''}, on disk ${disk[at] ?? ''}`];
}

function entryDifferences(
  seen: ReadonlyMap<string, Filehandle>,
  disk: ReadonlyMap<string, number>,
  handleOf: (object: number) => Filehandle,
): string[] {
  const found: string[] = [];
  for (const name of seen.keys()) {
    if (!disk.has(name)) found.push(`lists ${printable(name)}, which is not on disk`);
  }
  for (const [name, object] of disk) {
    const handle = seen.get(name);
    if (handle === undefined) found.push(`does not list ${printable(name)}`);
    else if (Buffer.compare(handle, handleOf(object)) !== 0) {
      found.push(`has another object, or handle, at ${printable(name)}`);
    }
  }
  return found;
}

/** An object before and after a step, here and on disk. */
export interface Times {
  readonly before: Fattr3;
  readonly after: Fattr3;
  readonly diskBefore: DiskObject;
  readonly diskAfter: DiskObject;
}

/** Times move when they move on disk, and that way: back only what a client has set, and no ctime. */
export function timeDifferences({ before, after, diskBefore, diskAfter }: Times): string[] {
  const found: string[] = [];
  for (const time of ['mtime', 'ctime'] as const) {
    const is = direction(instant(before[time]), instant(after[time]));
    const should = direction(diskBefore[time], diskAfter[time]);
    if (is !== should) found.push(`${time} ${is}, on disk it ${should}`);
    else if (is === 'went back' && time === 'ctime') found.push('ctime went back');
  }
  return found;
}

function direction(before: Instant, after: Instant): string {
  if (before === after) return 'stayed';
  return before < after ? 'went on' : 'went back';
}

function instant({ seconds, nseconds }: Nfstime3): Instant {
  return BigInt(seconds) * 1_000_000_000n + BigInt(nseconds);
}

/** What differs in attributes that should be the same; `used` depends on when data is flushed. */
export function attributeDifferences(is: Fattr3, should: Fattr3): string[] {
  const found: string[] = [];
  const comparable = (attributes: Fattr3): [string, string][] =>
    Object.entries({ ...attributes, used: 0 }).map(([key, value]: [string, unknown]) => [
      key,
      typeof value === 'bigint' ? String(value) : JSON.stringify(value),
    ]);
  const others = new Map(comparable(should));
  for (const [key, value] of comparable(is)) {
    if (others.get(key) !== value) found.push(`${key} is ${value}, not ${others.get(key) ?? ''}`);
  }
  return found;
}
