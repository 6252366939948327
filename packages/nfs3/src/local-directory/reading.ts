import { read as readAsync, readlinkSync, readSync } from 'node:fs';
import { checkAccess, mayRead } from '../permissions.ts';
import type { AccessArgs, AccessResult } from '../procedures/access.ts';
import type { GetattrArgs, GetattrResult } from '../procedures/getattr.ts';
import type { LookupArgs, LookupResult } from '../procedures/lookup.ts';
import { MAX_TRANSFER_BYTES } from '../procedures/procedure.ts';
import type { ReadArgs, ReadResult } from '../procedures/read.ts';
import type { ReadlinkArgs, ReadlinkResult } from '../procedures/readlink.ts';
import type { Nfs3Context, Nfs3Service } from '../service.ts';
import { Nfsstat3 } from '../status.ts';
import { Access3, type Fattr3, Ftype3 } from '../types.ts';
import { toFattr3 } from './attributes.ts';
import { Nfs3Failure } from './errno.ts';
import { entryPath, type Pin } from './pin.ts';
import {
  answer,
  attributesIfKnown,
  attributesOf,
  checkName,
  checkRegular,
  pinDirectory,
  type Tree,
} from './tree.ts';

/** A read of up to this many bytes from the page cache is cheaper than a trip to the thread pool. */
const MAX_SYNC_READ_BYTES = 128 * 1024;
const WRITE_BITS = Access3.MODIFY | Access3.EXTEND | Access3.DELETE;

type Reading = Pick<Nfs3Service, 'getattr' | 'lookup' | 'access' | 'readlink' | 'read'>;

/** GETATTR, LOOKUP, ACCESS, READLINK and READ. */
export function readingProcedures(tree: Tree): Reading {
  return {
    getattr: ({ object }: GetattrArgs): Promise<GetattrResult> =>
      answer(
        async () => ({
          status: Nfsstat3.OK,
          attributes: attributesOf(tree, await tree.inodes.pin(object)),
        }),
        (status) => ({ status }),
      ),

    lookup: ({ what }: LookupArgs, ctx: Nfs3Context): Promise<LookupResult> =>
      answer(
        async () => lookup(tree, await pinDirectory(tree, what.dir), what.name, ctx),
        (status) => ({ status, dirAttributes: attributesIfKnown(tree, what.dir) }),
      ),

    access: ({ object, access }: AccessArgs, ctx: Nfs3Context): Promise<AccessResult> =>
      answer(
        async () => {
          const objAttributes = attributesOf(tree, await tree.inodes.pin(object));
          const wanted = tree.access === 'read-only' ? access & ~WRITE_BITS : access;
          const granted = checkAccess(objAttributes, ctx.credential, wanted);
          return { status: Nfsstat3.OK, objAttributes, access: granted };
        },
        (status) => ({ status, objAttributes: attributesIfKnown(tree, object) }),
      ),

    readlink: ({ symlink }: ReadlinkArgs): Promise<ReadlinkResult> =>
      answer(
        async () => {
          const pin = await tree.inodes.pin(symlink);
          if (pin.type !== Ftype3.LNK) throw new Nfs3Failure(Nfsstat3.INVAL);
          const data = readLink(tree, pin);
          return { status: Nfsstat3.OK, symlinkAttributes: attributesOf(tree, pin), data };
        },
        (status) => ({ status, symlinkAttributes: attributesIfKnown(tree, symlink) }),
      ),

    read: (args: ReadArgs, ctx: Nfs3Context): Promise<ReadResult> =>
      answer(
        async () => read(tree, await tree.inodes.pin(args.file), args, ctx),
        (status) => ({ status, fileAttributes: attributesIfKnown(tree, args.file) }),
      ),
  };
}

function lookup(tree: Tree, dir: Pin, name: string, ctx: Nfs3Context): LookupResult {
  const dirAttributes = attributesOf(tree, dir);
  if (checkAccess(dirAttributes, ctx.credential, Access3.LOOKUP) === 0) {
    throw new Nfs3Failure(Nfsstat3.ACCES);
  }
  if (name === '.' || name === '..') {
    const found = name === '.' ? dir : tree.inodes.parentOf(dir);
    const objAttributes = attributesOf(tree, found);
    return { status: Nfsstat3.OK, object: found.handle, objAttributes, dirAttributes };
  }
  checkName(name);
  const entry = tree.inodes.entry(dir, name);
  if (entry === undefined) throw new Nfs3Failure(Nfsstat3.NOENT);
  const objAttributes = toFattr3(entry.stats, tree.fsid);
  return { status: Nfsstat3.OK, object: entry.handle, objAttributes, dirAttributes };
}

/** A held symbolic link cannot be read itself: it is read by its name, if that is still its name. */
function readLink(tree: Tree, pin: Pin): string {
  const { dir, name } = tree.inodes.whereIs(pin);
  const data = readlinkSync(entryPath(dir, name), 'latin1');
  if (tree.inodes.entry(dir, name)?.stats.ino !== pin.ino) throw new Nfs3Failure(Nfsstat3.STALE);
  return data;
}

async function read(tree: Tree, pin: Pin, args: ReadArgs, ctx: Nfs3Context): Promise<ReadResult> {
  // Before it is opened: opening a FIFO would wait for its other end.
  checkRegular(pin);
  const { offset } = args;
  const length = Math.min(args.count, MAX_TRANSFER_BYTES);
  const before = attributesOf(tree, pin);
  if (!mayRead(before, ctx.credential)) throw new Nfs3Failure(Nfsstat3.ACCES);
  const wanted = Math.max(0, Math.min(length, before.size - offset));
  if (wanted <= MAX_SYNC_READ_BYTES) {
    const buffer = Buffer.allocUnsafe(wanted);
    const count = wanted && readSync(tree.readers.open(pin).fd, buffer, 0, wanted, offset);
    return readResult(before, offset, count, buffer);
  }
  const buffer = Buffer.allocUnsafeSlow(wanted);
  const count = await tree.readers.using(pin, (fd) => readParts(fd, buffer, offset));
  return readResult(attributesIfKnown(tree, args.file) ?? before, offset, count, buffer);
}

function readResult(file: Fattr3, offset: number, count: number, buffer: Buffer): ReadResult {
  return {
    status: Nfsstat3.OK,
    fileAttributes: file,
    count,
    eof: offset + count >= file.size,
    data: count === 0 ? [] : [buffer.subarray(0, count)],
  };
}

function readParts(fd: number, buffer: Buffer, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    readAsync(fd, buffer, 0, buffer.length, offset, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}
