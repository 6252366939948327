import {
  callerGid,
  callerUid,
  type Diropargs3,
  type Fattr3,
  Ftype3,
  inGroup,
  type NewObjectResult,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  PATH_MAX,
  type Sattr3,
} from '@rowfs/nfs3';
import type { Decision, MergedObject } from './decision.ts';
import { checkMayAdd, type SearchedDirectory, searchedDirectory } from './may-change.ts';
import { answer, change, type Overlay, wccAtHand, wccOf } from './operation.ts';
import type { Node } from '../shadow/records.ts';
import { Refusal } from './refusal.ts';

const PERMISSION_BITS = 0o7777;
const SET_GID = 0o2000;
const GROUP_EXECUTE = 0o010;

/** @throws Refusal when there is something of that name, or the caller may not make it there. */
export function newPlace(tree: Decision, { dir, name }: Diropargs3): SearchedDirectory {
  const place = searchedDirectory(tree, dir);
  tree.checkName(name);
  if (name === '.' || name === '..' || tree.child(place.directory, name) !== undefined) {
    throw new Refusal(Nfsstat3.EXIST);
  }
  checkMayAdd(tree, place.attributes);
  return place;
}

/** Mode and owner of an object that the caller makes in a directory. @throws Refusal PERM */
export function ownership(
  tree: Decision,
  type: Ftype3,
  directory: Fattr3,
  wanted: Sattr3,
): Pick<Node, 'type' | 'mode' | 'uid' | 'gid'> {
  const { credential } = tree;
  const inherits = (directory.mode & SET_GID) !== 0;
  const uid = wanted.uid ?? callerUid(credential);
  const gid = wanted.gid ?? (inherits ? directory.gid : callerGid(credential));
  const mayGive = inherits && gid === directory.gid;
  if (callerUid(credential) !== 0) {
    if (uid !== callerUid(credential)) throw new Refusal(Nfsstat3.PERM);
    if (!inGroup(gid, credential) && !mayGive) throw new Refusal(Nfsstat3.PERM);
  }
  const permissions = (wanted.mode ?? 0) & PERMISSION_BITS;
  if (type === Ftype3.DIR) {
    return { type, mode: inherits ? permissions | SET_GID : permissions, uid, gid };
  }
  // A group that came from the directory, not from the caller: no program is to run as that.
  const mayRunAsGroup = callerUid(credential) === 0 || inGroup(gid, credential);
  const isProgram = (permissions & GROUP_EXECUTE) !== 0;
  const mode = isProgram && !mayRunAsGroup ? permissions & ~SET_GID : permissions;
  return { type, mode, uid, gid };
}

/** The times that the caller asked for, else those that the node has. */
export function withTimes(node: Node, wanted: Sattr3): Node {
  const { atime, mtime } = wanted;
  return {
    ...node,
    atime: typeof atime === 'object' ? atime : node.atime,
    mtime: typeof mtime === 'object' ? mtime : node.mtime,
  };
}

/** Puts a new node into its directory and says what the caller gets to know. */
export function finish(
  tree: Decision,
  place: SearchedDirectory,
  name: string,
  node: Node,
): Extract<NewObjectResult, { status: typeof Nfsstat3.OK }> {
  tree.put(node);
  tree.addName(place.directory, name, node, node.type === Ftype3.DIR ? 1 : 0);
  const object: MergedObject = { node, lower: undefined };
  return {
    status: Nfsstat3.OK,
    obj: tree.handleOf(object),
    objAttributes: tree.attributes(object),
    dirWcc: wccOf(place.attributes, tree.attributes(place.directory)),
  };
}

/** MKDIR, SYMLINK and MKNOD over the merged tree. */
export function newObjectProcedures(
  overlay: Overlay,
): Pick<Nfs3Service, 'mkdir' | 'symlink' | 'mknod'> {
  const make = (
    procedure: 'mkdir' | 'symlink' | 'mknod',
    where: Diropargs3,
    ctx: Nfs3Context,
    nodeFor: (tree: Decision, place: SearchedDirectory) => Node,
  ): Promise<NewObjectResult> =>
    answer(
      () =>
        change(overlay, ctx, (tree) => {
          const place = newPlace(tree, where);
          const node = nodeFor(tree, place);
          return tree.answered(procedure, finish(tree, place, where.name, node));
        }),
      (status) => ({ status, dirWcc: wccAtHand(overlay, ctx, where.dir) }),
    );

  return {
    mkdir: ({ where, attributes: wanted }, ctx) =>
      make('mkdir', where, ctx, (tree, { directory, attributes }) => {
        const parent = tree.touch(directory).id;
        const owned = ownership(tree, Ftype3.DIR, attributes, wanted);
        return withTimes(tree.newNode({ ...owned, nlink: 2, size: 4096, parent }), wanted);
      }),

    symlink: ({ where, symlinkAttributes: wanted, symlinkData: target }, ctx) =>
      make('symlink', where, ctx, (tree, { attributes }) => {
        if (target === '' || target.includes('\0')) throw new Refusal(Nfsstat3.INVAL);
        if (target.length > PATH_MAX) throw new Refusal(Nfsstat3.NAMETOOLONG);
        const owned = { ...ownership(tree, Ftype3.LNK, attributes, wanted), mode: 0o777 };
        return withTimes(tree.newNode({ ...owned, size: target.length, target }), wanted);
      }),

    mknod: ({ where, what }, ctx) =>
      make('mknod', where, ctx, (tree, { attributes }) => {
        if (!('attributes' in what)) throw new Refusal(Nfsstat3.BADTYPE);
        const rdev = 'spec' in what ? what.spec : { specdata1: 0, specdata2: 0 };
        if ('spec' in what && callerUid(tree.credential) !== 0) throw new Refusal(Nfsstat3.PERM);
        const owned = ownership(tree, what.type, attributes, what.attributes);
        return withTimes(tree.newNode({ ...owned, rdev }), what.attributes);
      }),
  };
}
