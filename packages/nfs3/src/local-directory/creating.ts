import type { Credential } from '@rowfs/oncrpc';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  futimesSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { geteuid, pid } from 'node:process';
import { callerGid, callerUid, checkAccess } from '../permissions.ts';
import type { CreateArgs } from '../procedures/create.ts';
import type { MknodArgs } from '../procedures/mknod.ts';
import type { NewObjectResult } from '../procedures/new-object.ts';
import type { Nfs3Context, Nfs3Service } from '../service.ts';
import { Nfsstat3 } from '../status.ts';
import {
  Access3,
  type Diropargs3,
  type Fattr3,
  Ftype3,
  type Sattr3,
  UNCHANGED,
  type Verf3,
} from '../types.ts';
import { toWccData } from './attributes.ts';
import { Nfs3Failure } from './errno.ts';
import { entryPath, type Pin } from './pin.ts';
import { checkMaySet, S_ISGID, setAttributes } from './set-attributes.ts';
import { answer, attributesOf, checkName, pinDirectory, type WritableTree } from './tree.ts';
import { wccOfFailure } from './writing.ts';

type Creating = Pick<Nfs3Service, 'create' | 'mkdir' | 'symlink' | 'mknod'>;

const NEW_FILE = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
const DEFAULT_FILE_MODE = 0o644;
const DEFAULT_DIRECTORY_MODE = 0o755;

/**
 * CREATE, MKDIR, SYMLINK and MKNOD. A new object is its caller's, when this process may give it away;
 * it and its name are on stable storage before the answer.
 */
export function creatingProcedures(tree: WritableTree): Creating {
  const attempt = (
    where: Diropargs3,
    work: () => Promise<NewObjectResult>,
  ): Promise<NewObjectResult> =>
    answer(work, (status) => ({ status, dirWcc: wccOfFailure(tree, where.dir) }));
  return {
    create: (args, ctx) => attempt(args.where, () => create(tree, args, ctx)),
    mkdir: ({ where, attributes }, ctx) =>
      attempt(where, () =>
        newObject(tree, where, attributes, ctx, (path) => mkdirSync(path, 0o700)),
      ),
    symlink: ({ where, symlinkAttributes, symlinkData }, ctx) =>
      attempt(where, () => {
        const target = Buffer.from(symlinkData, 'latin1');
        if (target.length === 0 || target.includes(0)) throw new Nfs3Failure(Nfsstat3.INVAL);
        return newObject(tree, where, symlinkAttributes, ctx, (path) => symlinkSync(target, path));
      }),
    mknod: (args, ctx) => attempt(args.where, () => mknod(tree, args, ctx)),
  };
}

async function create(
  tree: WritableTree,
  { where, how }: CreateArgs,
  ctx: Nfs3Context,
): Promise<NewObjectResult> {
  const attributes = how.mode === 'exclusive' ? UNCHANGED : how.objAttributes;
  try {
    return await newObject(tree, where, attributes, ctx, (path) => {
      const fd = openSync(path, NEW_FILE, 0);
      try {
        if (how.mode === 'exclusive') futimesSync(fd, ...verifierAsTimes(how.verf));
      } finally {
        closeSync(fd);
      }
    });
  } catch (error) {
    if (how.mode === 'guarded' || !isExist(error)) throw error;
    const dir = await pinDirectory(tree, where.dir);
    const pin = tree.inodes.pinEntry(dir, where.name);
    if (pin?.type !== Ftype3.REG) throw error;
    const current = attributesOf(tree, pin);
    if (how.mode === 'exclusive') {
      const [atime, mtime] = verifierAsTimes(how.verf);
      if (current.atime.seconds !== atime || current.mtime.seconds !== mtime) throw error;
    } else {
      // UNCHECKED over an existing file: only its size may be set (open with O_TRUNC).
      const wanted: Sattr3 = { ...UNCHANGED, size: how.objAttributes.size };
      checkMaySet(current, wanted, ctx.credential);
      setAttributes(tree, pin, current, wanted, ctx.credential);
    }
    return finish(tree, dir, pin, attributesOf(tree, dir));
  }
}

function isExist(error: unknown): boolean {
  if (error instanceof Nfs3Failure) return error.status === Nfsstat3.EXIST;
  return error instanceof Error && 'code' in error && error.code === 'EEXIST';
}

/** A verifier is kept where servers keep it: in the times, 31 bits each, until the SETATTR. */
function verifierAsTimes(verf: Verf3): readonly [number, number] {
  return [Number(verf >> 32n) & 0x7fff_ffff, Number(verf & 0x7fff_ffffn)];
}

async function newObject(
  tree: WritableTree,
  where: Diropargs3,
  attributes: Sattr3,
  ctx: Nfs3Context,
  make: (path: Buffer) => void,
): Promise<NewObjectResult> {
  const dir = await pinDirectory(tree, where.dir);
  const before = attributesOf(tree, dir);
  if (where.name === '.' || where.name === '..') throw new Nfs3Failure(Nfsstat3.EXIST);
  checkName(where.name);
  if (checkAccess(before, ctx.credential, Access3.LOOKUP) === 0) {
    throw new Nfs3Failure(Nfsstat3.ACCES);
  }
  if (tree.inodes.entry(dir, where.name) !== undefined) throw new Nfs3Failure(Nfsstat3.EXIST);
  if (checkAccess(before, ctx.credential, Access3.MODIFY) === 0) {
    throw new Nfs3Failure(Nfsstat3.ACCES);
  }
  const owner = ownerOfNew(before, ctx.credential);
  checkMaySet({ ...before, ...owner }, { ...attributes, size: undefined }, ctx.credential);
  make(entryPath(dir, where.name));
  const pin = tree.inodes.pinEntry(dir, where.name);
  if (pin === undefined) throw new Nfs3Failure(Nfsstat3.STALE);
  settle(tree, pin, before, owner, attributes, ctx.credential);
  return finish(tree, dir, pin, before);
}

/** New objects are the caller's, and of the group of a setgid directory. */
function ownerOfNew(dir: Fattr3, credential: Credential): { uid: number; gid: number } {
  const gid = (dir.mode & S_ISGID) === 0 ? callerGid(credential) : dir.gid;
  return { uid: callerUid(credential), gid };
}

function settle(
  tree: WritableTree,
  pin: Pin,
  dir: Fattr3,
  owner: { uid: number; gid: number },
  attributes: Sattr3,
  credential: Credential,
): void {
  if (geteuid?.() === 0) chownSync(pin.path, owner.uid, owner.gid);
  const directory = pin.type === Ftype3.DIR;
  const inherited = directory ? dir.mode & S_ISGID : 0;
  const mode = attributes.mode ?? (directory ? DEFAULT_DIRECTORY_MODE : DEFAULT_FILE_MODE);
  const current = { ...attributesOf(tree, pin), ...owner };
  setAttributes(tree, pin, current, { ...attributes, mode }, credential);
  if (inherited !== 0) chmodSync(pin.path, (mode & 0o7777) | inherited);
}

async function finish(
  tree: WritableTree,
  dir: Pin,
  pin: Pin,
  before: Fattr3,
): Promise<NewObjectResult> {
  const objAttributes = attributesOf(tree, pin);
  const dirWcc = toWccData(before, attributesOf(tree, dir));
  const syncing = [tree.stable.syncDirectory(dir)];
  if (pin.type === Ftype3.REG || pin.type === Ftype3.DIR) {
    syncing.push(tree.stable.syncAttributes(tree, pin));
  }
  await Promise.all(syncing);
  return { status: Nfsstat3.OK, obj: pin.handle, objAttributes, dirWcc };
}

/**
 * FIFOs, and devices for root. Node cannot make them: mknod(1) does, under a passing name of its own
 * because names that are not UTF-8 cannot be handed to a process. Sockets are NOTSUPP.
 */
async function mknod(
  tree: WritableTree,
  { where, what }: MknodArgs,
  ctx: Nfs3Context,
): Promise<NewObjectResult> {
  if (!('attributes' in what)) throw new Nfs3Failure(Nfsstat3.BADTYPE);
  if (what.type === Ftype3.SOCK) throw new Nfs3Failure(Nfsstat3.NOTSUPP);
  if (what.type !== Ftype3.FIFO && callerUid(ctx.credential) !== 0) {
    throw new Nfs3Failure(Nfsstat3.PERM);
  }
  const kind = what.type === Ftype3.FIFO ? 'p' : what.type === Ftype3.CHR ? 'c' : 'b';
  const numbers = 'spec' in what ? [what.spec.specdata1, what.spec.specdata2].map(String) : [];
  const attributes = { ...what.attributes, size: undefined };
  return newObject(tree, where, attributes, ctx, (path) => {
    const passing = `.rowfs-mknod-${randomUUID()}`;
    const directory = path.subarray(0, path.lastIndexOf('/'));
    const ours = Buffer.concat([directory, Buffer.from(`/${passing}`)]);
    const theirs = ours.toString('latin1').replace('/proc/self/', `/proc/${pid}/`);
    const made = spawnSync('mknod', ['-m', '600', '--', theirs, kind, ...numbers]);
    if (made.status !== 0) throw new Nfs3Failure(Nfsstat3.PERM);
    try {
      linkSync(ours, path);
    } finally {
      unlinkSync(ours);
    }
  });
}
