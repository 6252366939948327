import { chmodSync, writevSync } from 'node:fs';
import { callerUid, mayWrite } from '../permissions.ts';
import type { CommitArgs, CommitResult } from '../procedures/commit.ts';
import type { SetattrArgs, SetattrResult } from '../procedures/setattr.ts';
import type { WriteArgs, WriteResult } from '../procedures/write.ts';
import type { Nfs3Context, Nfs3Service } from '../service.ts';
import { Nfsstat3 } from '../status.ts';
import { StableHow, type WccData } from '../types.ts';
import { toWccData } from './attributes.ts';
import { Nfs3Failure } from './errno.ts';
import { checkMaySet, S_ISGID, S_ISUID, setAttributes } from './set-attributes.ts';
import {
  answer,
  attributesIfKnown,
  attributesOf,
  checkRegular,
  type Tree,
  type WritableTree,
} from './tree.ts';

type Writing = Pick<Nfs3Service, 'setattr' | 'write' | 'commit'>;

/**
 * SETATTR, WRITE and COMMIT. The change and its wcc_data are made in one turn of the event loop; the
 * wait for stable storage comes after it.
 */
export function writingProcedures(tree: WritableTree): Writing {
  return {
    setattr: (args: SetattrArgs, ctx: Nfs3Context): Promise<SetattrResult> =>
      answer(
        () => setattr(tree, args, ctx),
        (status) => ({ status, objWcc: wccOfFailure(tree, args.object) }),
      ),
    write: (args: WriteArgs, ctx: Nfs3Context): Promise<WriteResult> =>
      answer(
        () => write(tree, args, ctx),
        (status) => ({ status, fileWcc: wccOfFailure(tree, args.file) }),
      ),
    commit: (args: CommitArgs): Promise<CommitResult> =>
      answer(
        () => commit(tree, args),
        (status) => ({ status, fileWcc: wccOfFailure(tree, args.file) }),
      ),
  };
}

export function wccOfFailure(tree: Tree, handle: Uint8Array): WccData {
  return { before: undefined, after: attributesIfKnown(tree, handle) };
}

async function setattr(
  tree: WritableTree,
  { object, newAttributes, guard }: SetattrArgs,
  ctx: Nfs3Context,
): Promise<SetattrResult> {
  const pin = await tree.inodes.pin(object);
  const before = attributesOf(tree, pin);
  const { seconds, nseconds } = before.ctime;
  if (guard !== undefined && (guard.seconds !== seconds || guard.nseconds !== nseconds)) {
    throw new Nfs3Failure(Nfsstat3.NOT_SYNC);
  }
  checkMaySet(before, newAttributes, ctx.credential);
  setAttributes(tree, pin, before, newAttributes, ctx.credential);
  const objWcc = toWccData(before, attributesOf(tree, pin));
  await tree.stable.syncAttributes(tree, pin);
  return { status: Nfsstat3.OK, objWcc };
}

async function write(tree: WritableTree, args: WriteArgs, ctx: Nfs3Context): Promise<WriteResult> {
  const pin = await tree.inodes.pin(args.file);
  checkRegular(pin);
  const before = attributesOf(tree, pin);
  if (!mayWrite(before, ctx.credential)) throw new Nfs3Failure(Nfsstat3.ACCES);
  const count = writeParts(tree.writers.open(pin).fd, args.data, args.offset);
  // As root this process may write and keep the bits; an ordinary writer must lose them.
  if ((before.mode & (S_ISUID | S_ISGID)) !== 0 && callerUid(ctx.credential) !== 0 && count > 0) {
    chmodSync(pin.path, before.mode & ~(S_ISUID | S_ISGID));
  }
  const fileWcc = toWccData(before, attributesOf(tree, pin));
  // Taken before the wait: should it change meanwhile, these data are among those in doubt.
  const verf = tree.stable.verifier;
  if (args.stable === StableHow.UNSTABLE) {
    return { status: Nfsstat3.OK, fileWcc, count, committed: StableHow.UNSTABLE, verf };
  }
  await tree.stable.syncFile(tree.writers, pin);
  return { status: Nfsstat3.OK, fileWcc, count, committed: StableHow.FILE_SYNC, verf };
}

/** @returns how many bytes were written; fewer than all when the file system filled up. */
function writeParts(fd: number, parts: readonly Uint8Array[], offset: number): number {
  let written = 0;
  for (let rest = parts.filter((part) => part.length > 0); rest.length > 0;) {
    const count = writevSome(fd, rest, offset + written, written > 0);
    if (count === 0) break;
    written += count;
    rest = withoutFirst(rest, count);
  }
  return written;
}

/** An error counts only when nothing was written before it: else the client hears it next time. */
function writevSome(
  fd: number,
  parts: readonly Uint8Array[],
  position: number,
  partly: boolean,
): number {
  try {
    return writevSync(fd, parts, position);
  } catch (error) {
    if (partly) return 0;
    throw error;
  }
}

function withoutFirst(parts: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let skip = count;
  for (const part of parts) {
    if (skip < part.length) rest.push(skip === 0 ? part : part.subarray(skip));
    skip = Math.max(0, skip - part.length);
  }
  return rest;
}

async function commit(tree: WritableTree, { file }: CommitArgs): Promise<CommitResult> {
  const pin = await tree.inodes.pin(file);
  checkRegular(pin);
  const attributes = attributesOf(tree, pin);
  await tree.stable.syncFile(tree.writers, pin);
  const fileWcc = toWccData(attributes, attributes);
  return { status: Nfsstat3.OK, fileWcc, verf: tree.stable.verifier };
}
