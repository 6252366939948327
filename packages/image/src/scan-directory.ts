import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { ImageError } from './error.ts';
import { FileType, NANOSECONDS_PER_SECOND } from './format.ts';
import { extendedAttributes } from './libc.ts';
import { RESERVED_NAME } from './reserved.ts';
import {
  type Directory,
  type InodeFacts,
  NO_CONTENT,
  type RegularFile,
  type Timestamp,
  type TreeInode,
} from './tree.ts';

/** By which a file is known to be the one that was seen, with the content that it had. */
export interface FileIdentity {
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** A regular file on disk, and the inode that waits for its content. */
export interface ScannedFile {
  readonly path: Buffer;
  readonly inode: RegularFile;
  readonly identity: FileIdentity;
  /** Its names from the root of the tree on: the first of several. */
  readonly names: readonly string[];
}

export interface ScannedTree {
  readonly root: Directory;
  readonly files: readonly ScannedFile[];
}

const S_IFMT = 0o170000;
const typeOfFormat: ReadonlyMap<number, FileType> = new Map([
  [0o010000, FileType.FIFO],
  [0o020000, FileType.CHR],
  [0o040000, FileType.DIR],
  [0o060000, FileType.BLK],
  [0o100000, FileType.REG],
  [0o120000, FileType.LNK],
  [0o140000, FileType.SOCK],
]);
const PERMISSION_BITS = 0o7777;
/** Linux shows no other, whatever they were made with. */
const LINK_MODE = 0o777;

/**
 * The attributes that are part of a tree; others, such as labels of a security module and `trusted.*`,
 * belong to the machine that it is on.
 */
export function isRecordedXattr(name: string): boolean {
  return (
    name.startsWith('user.') ||
    name === 'security.capability' ||
    name === 'system.posix_acl_access' ||
    name === 'system.posix_acl_default'
  );
}

/**
 * Reads names and attributes of everything under `directory`, but for `.rowfs` in it. Contents are
 * left to be read.
 *
 * @throws ImageError UNREADABLE, TREE_CHANGED, UNSUPPORTED (a file system that is mounted inside),
 *   ABORTED
 */
export async function scanDirectory(
  directory: string,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<ScannedTree> {
  const rootPath = Buffer.from(directory);
  const rootStats = stat(rootPath);
  const root = inodeOf(rootPath, rootStats);
  if (root.type !== FileType.DIR) {
    throw new ImageError('UNSUPPORTED', `${directory} is no directory`);
  }
  const files: ScannedFile[] = [];
  const linked = new Map<bigint, TreeInode>();
  const queue: { path: Buffer; inode: Directory; names: readonly string[] }[] = [
    { path: rootPath, inode: root, names: [] },
  ];
  for (const { path, inode: parent, names } of queue) {
    if (signal?.aborted === true) throw new ImageError('ABORTED', 'the scan was interrupted');
    const prefix = Buffer.concat([path, Buffer.from('/')]);
    for (const nameBytes of reading(path, () => readdirSync(path, { encoding: 'buffer' })).sort(
      (a, b) => a.compare(b),
    )) {
      const name = nameBytes.toString('latin1');
      if (names.length === 0 && name === RESERVED_NAME) continue;
      const childPath = Buffer.concat([prefix, nameBytes]);
      const stats = stat(childPath);
      if (stats.dev !== rootStats.dev) {
        throw new ImageError(
          'UNSUPPORTED',
          `${childPath.toString()} is on another file system, which a server would not show: unmount it first`,
        );
      }
      const known = linked.get(stats.ino);
      const inode = known ?? inodeOf(childPath, stats);
      parent.entries.set(name, inode);
      if (known !== undefined) continue;
      const childNames = [...names, name];
      if (inode.type === FileType.DIR) {
        queue.push({ path: childPath, inode, names: childNames });
        continue;
      }
      if (stats.nlink > 1n) linked.set(stats.ino, inode);
      if (inode.type === FileType.REG) {
        files.push({ path: childPath, inode, identity: stats, names: childNames });
      }
    }
    // Others of this process have their turn.
    await setImmediate();
  }
  return { root, files };
}

/** The tree that holds one file, such as the disk image of a virtual machine. */
export function scanFile(file: string, name: string): ScannedTree {
  const path = Buffer.from(file);
  const stats = stat(path);
  const inode = inodeOf(path, stats);
  if (inode.type !== FileType.REG) {
    throw new ImageError('UNSUPPORTED', `${file} is neither a directory nor a regular file`);
  }
  const root: Directory = {
    type: FileType.DIR,
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtime: inode.mtime,
    xattrs: [],
    entries: new Map([[name, inode]]),
  };
  return { root, files: [{ path, inode, identity: stats, names: [name] }] };
}

function stat(path: Buffer): BigIntStats {
  return reading(path, () => lstatSync(path, { bigint: true }));
}

/** @returns what `read` returns; its errors as an ImageError that names the file. */
export function reading<T>(path: Uint8Array, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ImageError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const name = Buffer.from(path).toString();
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new ImageError('TREE_CHANGED', `${name} went away while it was to be read`, {
        cause: error,
      });
    }
    throw new ImageError('UNREADABLE', `cannot read ${name}: ${String(code)}`, { cause: error });
  }
}

function inodeOf(path: Buffer, stats: BigIntStats): TreeInode {
  const type = typeOfFormat.get(Number(stats.mode) & S_IFMT);
  const facts: InodeFacts = {
    mode: Number(stats.mode) & PERMISSION_BITS,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtime: timestamp(stats.mtimeNs),
    xattrs: reading(path, () => extendedAttributes(path, isRecordedXattr)),
  };
  switch (type) {
    case FileType.REG:
      return { ...facts, type, size: Number(stats.size), content: NO_CONTENT };
    case FileType.DIR:
      return { ...facts, type, entries: new Map() };
    case FileType.LNK: {
      const target = reading(path, () => readlinkSync(path, { encoding: 'buffer' }));
      return { ...facts, type, mode: LINK_MODE, target: target.toString('latin1') };
    }
    case FileType.CHR:
    case FileType.BLK:
      return { ...facts, type, ...deviceNumbers(stats.rdev) };
    case FileType.SOCK:
    case FileType.FIFO:
      return { ...facts, type };
    case undefined:
      throw new ImageError('UNSUPPORTED', `${path.toString()} is of a type that NFS does not have`);
  }
}

function timestamp(ns: bigint): Timestamp {
  const second = BigInt(NANOSECONDS_PER_SECOND);
  const nseconds = ((ns % second) + second) % second;
  return { seconds: Number((ns - nseconds) / second), nseconds: Number(nseconds) };
}

/** Linux's split of a device number, as makedev(3) has it. */
function deviceNumbers(rdev: bigint): { major: number; minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xffff_f000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffff_ff00n)),
  };
}
