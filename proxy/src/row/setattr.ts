import {
  actsAsOwner,
  callerUid,
  type Fattr3,
  Ftype3,
  inGroup,
  mayWrite,
  ModeBits,
  modeBitsOf,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  type Nfstime3,
  type Sattr3,
  type SetattrArgs,
  type SetTime,
  type WccData,
} from '@rowfs/nfs3';
import { compareTimes } from '../shadow/clock.ts';
import type { Decision } from './decision.ts';
import { answer, change, decide, type Overlay, wccAtHand, wccOf } from './operation.ts';
import type { Node } from '../shadow/records.ts';
import { Refusal } from './refusal.ts';
import { withoutSetId } from './set-id.ts';
import { MAX_FILE_BYTES } from './write.ts';

const PERMISSION_BITS = 0o7777;
const SET_GID = 0o2000;

/** SETATTR over the merged tree. */
export function setattrProcedures(overlay: Overlay): Pick<Nfs3Service, 'setattr'> {
  return {
    setattr: (args, ctx) =>
      answer(
        () =>
          setAttributes(overlay, ctx, args, (tree, objWcc) =>
            tree.answered('setattr', { status: Nfsstat3.OK, objWcc }),
          ),
        (status) => ({ status, objWcc: wccAtHand(overlay, ctx, args.object) }),
      ),
  };
}

/**
 * Changes attributes, durably. Of a file with unstable writes these are made stable first, so that
 * what is set here comes after them on the disk too.
 *
 * @param conclude says, in the decision that changes them, what is made of that.
 * @throws Refusal
 */
export async function setAttributes<T>(
  overlay: Overlay,
  ctx: Nfs3Context,
  { object: handle, newAttributes: wanted, guard }: SetattrArgs,
  conclude: (tree: Decision, wcc: WccData) => T,
): Promise<T> {
  const { shadow } = overlay;
  const apply = (): Promise<T> =>
    change(overlay, ctx, (tree) => {
      const object = tree.resolve(handle);
      const before = tree.attributes(object);
      check(tree, before, wanted, guard);
      if (!isEmpty(wanted)) tree.put(changed(tree, tree.touch(object), wanted));
      return conclude(tree, wccOf(before, tree.attributes(object)));
    });

  const file = await decide(overlay, ctx, (tree) => {
    // Truncation is how space is made.
    if (wanted.size === undefined) shadow.space.checkChange();
    const object = tree.resolve(handle);
    if (tree.typeOf(object) !== Ftype3.REG) return undefined;
    check(tree, tree.attributes(object), wanted, guard);
    const node = tree.touch(object);
    tree.stage();
    return node;
  });
  if (file === undefined) return apply();
  return shadow.files.file(file.id).lock.run(async () => {
    const contents = shadow.files.file(file.id);
    if (wanted.size === undefined) await shadow.files.flush(contents);
    else {
      // What the journal has of it would come back after a crash, where it was cut off.
      await shadow.files.flushToFile(contents);
      const size = await decide(overlay, ctx, (tree) => tree.attributes(tree.resolve(handle)).size);
      // Before it can show: what a crash or an earlier cut left beyond the end is gone from the disk.
      if (wanted.size > size) await contents.sync(size, false);
    }
    const concluded = await apply();
    // Only now that no restart can bring the old size back.
    if (wanted.size !== undefined) contents.cut(wanted.size);
    return concluded;
  });
}

function isEmpty({ mode, uid, gid, size, atime, mtime }: Sattr3): boolean {
  const none = mode === undefined && uid === undefined && gid === undefined && size === undefined;
  return none && atime === 'dont-change' && mtime === 'dont-change';
}

/** @throws Refusal when the caller may not, or nobody can. */
function check(
  tree: Decision,
  attributes: Fattr3,
  wanted: Sattr3,
  guard: Nfstime3 | undefined,
): void {
  const { credential } = tree;
  const isRoot = callerUid(credential) === 0;
  const owns = actsAsOwner(attributes, credential);
  if (guard !== undefined && compareTimes(guard, attributes.ctime) !== 0) {
    throw new Refusal(Nfsstat3.NOT_SYNC);
  }
  if (wanted.mode !== undefined && !owns) throw new Refusal(Nfsstat3.PERM);
  if (wanted.uid !== undefined && !isRoot && !(owns && wanted.uid === attributes.uid)) {
    throw new Refusal(Nfsstat3.PERM);
  }
  if (wanted.gid !== undefined && !isRoot && !(owns && inGroup(wanted.gid, credential))) {
    throw new Refusal(Nfsstat3.PERM);
  }
  for (const time of [wanted.atime, wanted.mtime]) checkTime(tree, attributes, time, owns);
  if (wanted.size !== undefined) checkSize(tree, attributes, wanted.size);
}

function checkTime(tree: Decision, attributes: Fattr3, time: SetTime, owns: boolean): void {
  if (time === 'dont-change' || owns) return;
  if (time !== 'server-time') throw new Refusal(Nfsstat3.PERM);
  if ((modeBitsOf(attributes, tree.credential) & ModeBits.WRITE) === 0) {
    throw new Refusal(Nfsstat3.ACCES);
  }
}

function checkSize(tree: Decision, attributes: Fattr3, size: number): void {
  if (attributes.type === Ftype3.DIR) throw new Refusal(Nfsstat3.ISDIR);
  if (attributes.type !== Ftype3.REG) throw new Refusal(Nfsstat3.INVAL);
  if (!mayWrite(attributes, tree.credential)) throw new Refusal(Nfsstat3.ACCES);
  if (size > MAX_FILE_BYTES) throw new Refusal(Nfsstat3.FBIG);
}

function changed(tree: Decision, node: Node, wanted: Sattr3): Node {
  const now = tree.stamp(node);
  const timeOf = (time: SetTime, unchanged: Nfstime3): Nfstime3 => {
    if (time === 'server-time') return now;
    return time === 'dont-change' ? unchanged : time;
  };
  const size = wanted.size ?? node.size;
  return {
    ...node,
    mode: modeOf(tree, node, wanted),
    uid: wanted.uid ?? node.uid,
    gid: wanted.gid ?? node.gid,
    size,
    used: Math.min(node.used, Math.ceil(size / 512) * 512),
    lowerLimit: Math.min(node.lowerLimit, size),
    atime: timeOf(wanted.atime, node.atime),
    mtime: timeOf(wanted.mtime, wanted.size === undefined ? node.mtime : now),
    ctime: now,
  };
}

/**
 * The new mode; where none is asked for, a new owner and a writer take the set-ID bits off. That of a
 * symbolic link nobody looks at, and it stays what it is, as on Linux.
 */
function modeOf({ credential }: Decision, node: Node, wanted: Sattr3): number {
  if (node.type === Ftype3.LNK) return node.mode;
  if (wanted.mode !== undefined) {
    const mode = wanted.mode & PERMISSION_BITS;
    const mayHaveSetGid =
      callerUid(credential) === 0 || inGroup(wanted.gid ?? node.gid, credential);
    return mayHaveSetGid ? mode : mode & ~SET_GID;
  }
  const changesOwner = wanted.uid !== undefined || wanted.gid !== undefined;
  const writes = wanted.size !== undefined && callerUid(credential) !== 0;
  const keeps = node.type === Ftype3.DIR || (!changesOwner && !writes);
  return keeps ? node.mode : withoutSetId(node.mode, node.gid, credential);
}
