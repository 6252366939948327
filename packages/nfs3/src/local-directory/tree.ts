import { Nfsstat3, type Nfsstat3Error } from '../status.ts';
import { type Fattr3, type Filehandle, type Filename, Ftype3, NAME_MAX } from '../types.ts';
import { statDescriptor, toFattr3 } from './attributes.ts';
import { Nfs3Failure, statusOf } from './errno.ts';
import type { Inodes } from './inodes.ts';
import type { Pin } from './pin.ts';
import type { OpenFiles } from './open-files.ts';
import type { StableStorage } from './stable-storage.ts';

/** What all procedures of a local directory work on. */
export interface Tree {
  readonly inodes: Inodes;
  /** Files open for reading. */
  readonly readers: OpenFiles;
  readonly access: 'read-only' | 'read-write';
  /** The same for every object: what lies on another file system is not shown. */
  readonly fsid: bigint;
}

/** A tree that may be changed. */
export interface WritableTree extends Tree {
  /** Files open for writing. */
  readonly writers: OpenFiles;
  readonly stable: StableStorage;
}

/** Attributes of a held inode; STALE when its last name is gone. */
export function attributesOf(tree: Tree, pin: Pin): Fattr3 {
  const stats = statDescriptor(pin.fd);
  if (stats.nlink === 0n) {
    tree.inodes.release(pin.ino);
    tree.readers.release(pin.ino);
    throw new Nfs3Failure(Nfsstat3.STALE);
  }
  return toFattr3(stats, tree.fsid);
}

/** Attributes for a failure: as good as they can be had. */
export function attributesIfKnown(tree: Tree, handle: Filehandle): Fattr3 | undefined {
  try {
    const pin = tree.inodes.known(handle);
    return pin && attributesOf(tree, pin);
  } catch {
    return undefined;
  }
}

export async function pinDirectory(tree: Tree, handle: Filehandle): Promise<Pin> {
  const pin = await tree.inodes.pin(handle);
  if (pin.type !== Ftype3.DIR) throw new Nfs3Failure(Nfsstat3.NOTDIR);
  return pin;
}

/** Refuses what has no data. */
export function checkRegular(pin: Pin): void {
  if (pin.type === Ftype3.REG) return;
  throw new Nfs3Failure(pin.type === Ftype3.DIR ? Nfsstat3.ISDIR : Nfsstat3.INVAL);
}

/** Refuses what cannot be one name in a directory. '.' and '..' are names here. */
export function checkName(name: Filename): void {
  if (name.length > NAME_MAX) throw new Nfs3Failure(Nfsstat3.NAMETOOLONG);
  if (name === '' || name.includes('/') || name.includes('\0')) {
    throw new Nfs3Failure(Nfsstat3.ACCES);
  }
}

/** Runs a procedure; what it throws becomes the status of the answer that `failed` makes. */
export async function answer<Result>(
  work: () => Promise<NoInfer<Result>>,
  failed: (status: Nfsstat3Error) => NoInfer<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    return failed(statusOf(error));
  }
}
