import { linkSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { checkAccess, mayUnlink } from '../permissions.ts';
import type { LinkArgs, LinkResult } from '../procedures/link.ts';
import type { RemoveArgs, RemoveResult } from '../procedures/remove.ts';
import type { RenameArgs, RenameResult } from '../procedures/rename.ts';
import type { RmdirArgs, RmdirResult } from '../procedures/rmdir.ts';
import type { Nfs3Context, Nfs3Service } from '../service.ts';
import { Nfsstat3 } from '../status.ts';
import { Access3, type Diropargs3, type Fattr3, type Filename, Ftype3 } from '../types.ts';
import { toFattr3, toWccData } from './attributes.ts';
import { Nfs3Failure } from './errno.ts';
import { type Entry, entryPath, type Pin } from './pin.ts';
import {
  answer,
  attributesIfKnown,
  attributesOf,
  checkName,
  pinDirectory,
  type WritableTree,
} from './tree.ts';
import { wccOfFailure } from './writing.ts';

type Renaming = Pick<Nfs3Service, 'remove' | 'rmdir' | 'rename' | 'link'>;

/** REMOVE, RMDIR, RENAME and LINK: what changes names only. */
export function renamingProcedures(tree: WritableTree): Renaming {
  return {
    remove: ({ object }: RemoveArgs, ctx: Nfs3Context): Promise<RemoveResult> =>
      answer(
        () => unlinkName(tree, object, ctx, 'file'),
        (status) => ({ status, dirWcc: wccOfFailure(tree, object.dir) }),
      ),
    rmdir: ({ object }: RmdirArgs, ctx: Nfs3Context): Promise<RmdirResult> =>
      answer(
        () => unlinkName(tree, object, ctx, 'directory'),
        (status) => ({ status, dirWcc: wccOfFailure(tree, object.dir) }),
      ),
    rename: (args: RenameArgs, ctx: Nfs3Context): Promise<RenameResult> =>
      answer(
        () => rename(tree, args, ctx),
        (status) => ({
          status,
          fromdirWcc: wccOfFailure(tree, args.from.dir),
          todirWcc: wccOfFailure(tree, args.to.dir),
        }),
      ),
    link: (args: LinkArgs, ctx: Nfs3Context): Promise<LinkResult> =>
      answer(
        () => link(tree, args, ctx),
        (status) => ({
          status,
          fileAttributes: attributesIfKnown(tree, args.file),
          linkdirWcc: wccOfFailure(tree, args.link.dir),
        }),
      ),
  };
}

/** An entry that exists and that the caller may take out of the directory. */
function removable(
  tree: WritableTree,
  dir: Pin,
  attributes: Fattr3,
  name: Filename,
  ctx: Nfs3Context,
): Entry {
  checkName(name);
  if (checkAccess(attributes, ctx.credential, Access3.LOOKUP) === 0) {
    throw new Nfs3Failure(Nfsstat3.ACCES);
  }
  const entry = tree.inodes.entry(dir, name);
  if (entry === undefined) throw new Nfs3Failure(Nfsstat3.NOENT);
  if (!mayUnlink(attributes, toFattr3(entry.stats, tree.fsid), ctx.credential)) {
    throw new Nfs3Failure(Nfsstat3.ACCES);
  }
  return entry;
}

async function unlinkName(
  tree: WritableTree,
  { dir: handle, name }: Diropargs3,
  ctx: Nfs3Context,
  kind: 'file' | 'directory',
): Promise<RemoveResult> {
  const dir = await pinDirectory(tree, handle);
  const before = attributesOf(tree, dir);
  if (name === '.') throw new Nfs3Failure(Nfsstat3.INVAL);
  if (name === '..') throw new Nfs3Failure(Nfsstat3.EXIST);
  const entry = removable(tree, dir, before, name, ctx);
  const path = entryPath(dir, name);
  if (kind === 'directory') rmdirSync(path);
  else if (toFattr3(entry.stats, tree.fsid).type === Ftype3.DIR) {
    throw new Nfs3Failure(Nfsstat3.ISDIR);
  } else unlinkSync(path);
  forget(tree, entry, kind);
  const dirWcc = toWccData(before, attributesOf(tree, dir));
  await tree.stable.syncDirectory(dir);
  return { status: Nfsstat3.OK, dirWcc };
}

/** What lost its last name must not be held: it would keep its blocks. */
function forget(tree: WritableTree, entry: Entry, kind: 'file' | 'directory'): void {
  if (kind === 'file' && entry.stats.nlink > 1n) return;
  tree.inodes.removed(entry);
  tree.readers.release(entry.stats.ino);
  tree.writers.release(entry.stats.ino);
}

async function rename(
  tree: WritableTree,
  { from, to }: RenameArgs,
  ctx: Nfs3Context,
): Promise<RenameResult> {
  const [fromdir, todir] = await tree.inodes.pinBoth(from.dir, to.dir);
  if (fromdir.type !== Ftype3.DIR || todir.type !== Ftype3.DIR) {
    throw new Nfs3Failure(Nfsstat3.NOTDIR);
  }
  const fromBefore = attributesOf(tree, fromdir);
  const toBefore = attributesOf(tree, todir);
  for (const name of [from.name, to.name]) {
    if (name === '.' || name === '..') throw new Nfs3Failure(Nfsstat3.INVAL);
    checkName(name);
  }
  const moved = removable(tree, fromdir, fromBefore, from.name, ctx);
  if (checkAccess(toBefore, ctx.credential, Access3.MODIFY) === 0) {
    throw new Nfs3Failure(Nfsstat3.ACCES);
  }
  const replaced = tree.inodes.entry(todir, to.name);
  if (replaced !== undefined) {
    removable(tree, todir, toBefore, to.name, ctx);
    if (moved.stats.isDirectory() !== replaced.stats.isDirectory()) {
      throw new Nfs3Failure(Nfsstat3.EXIST);
    }
  }
  renameSync(entryPath(fromdir, from.name), entryPath(todir, to.name));
  // Two names of one file: rename(2) leaves both as they are.
  if (replaced?.stats.ino !== moved.stats.ino) {
    tree.inodes.moved(moved.stats.ino, todir, to.name);
    if (replaced) forget(tree, replaced, replaced.stats.isDirectory() ? 'directory' : 'file');
  }
  const fromdirWcc = toWccData(fromBefore, attributesOf(tree, fromdir));
  const todirWcc = toWccData(toBefore, attributesOf(tree, todir));
  const syncing = [tree.stable.syncDirectory(todir)];
  if (todir.ino !== fromdir.ino) syncing.push(tree.stable.syncDirectory(fromdir));
  await Promise.all(syncing);
  return { status: Nfsstat3.OK, fromdirWcc, todirWcc };
}

async function link(
  tree: WritableTree,
  { file, link: { dir: handle, name } }: LinkArgs,
  ctx: Nfs3Context,
): Promise<LinkResult> {
  const [pin, dir] = await tree.inodes.pinBoth(file, handle);
  if (dir.type !== Ftype3.DIR) throw new Nfs3Failure(Nfsstat3.NOTDIR);
  const before = attributesOf(tree, dir);
  if (name === '.' || name === '..') throw new Nfs3Failure(Nfsstat3.EXIST);
  checkName(name);
  if (pin.type === Ftype3.DIR) throw new Nfs3Failure(Nfsstat3.ISDIR);
  if (checkAccess(before, ctx.credential, Access3.MODIFY) === 0) {
    throw new Nfs3Failure(Nfsstat3.ACCES);
  }
  const now = tree.inodes.whereIs(pin);
  linkSync(entryPath(now.dir, now.name), entryPath(dir, name));
  // Somebody may have put another file under the name between the two calls.
  if (tree.inodes.entry(dir, name)?.stats.ino !== pin.ino) {
    unlinkSync(entryPath(dir, name));
    throw new Nfs3Failure(Nfsstat3.STALE);
  }
  const fileAttributes = attributesOf(tree, pin);
  const linkdirWcc = toWccData(before, attributesOf(tree, dir));
  await tree.stable.syncDirectory(dir);
  return { status: Nfsstat3.OK, fileAttributes, linkdirWcc };
}
