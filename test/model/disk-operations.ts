import { spawnSync } from 'node:child_process';
import {
  type BigIntStats,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Access3 } from '@rowfs/nfs3';
import {
  as,
  codeOf,
  EXECUTE,
  isAllowed,
  isOwnerOrRoot,
  isThere,
  permits,
  READ,
  WRITE,
} from './as-caller.ts';
import { type Caller, ROOT } from './callers.ts';
import { type DiskTree, typeOf } from './disk-tree.ts';
import type { DiskOutcome } from './local-disk.ts';
import type { Operation, Place, SpecialKind, Wanted } from './operation.ts';

/** Not among Node's constants: a file without a name, for which a directory must be writable. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;
const NEW_FILE = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY;
const S_ISGID = 0o2000;
/** No driver has these numbers. */
export const DEVICE = { major: 240, minor: 517 };
/** Time stamps of a file system may be as coarse as the kernel's tick. */
const TICK_MS = 10;

type Refusal = Error & { readonly status: string };

function refusal(status: string): Refusal {
  return Object.assign(new Error(status), { status });
}

/** What the kernel's refusals are called in RFC 1813, section 2.6. */
const STATUSES: Readonly<Record<string, string>> = {
  EPERM: 'PERM',
  ENOENT: 'NOENT',
  EACCES: 'ACCES',
  EEXIST: 'EXIST',
  ENOTDIR: 'NOTDIR',
  EISDIR: 'ISDIR',
  EINVAL: 'INVAL',
  ENAMETOOLONG: 'NAMETOOLONG',
  ENOTEMPTY: 'NOTEMPTY',
};

function statusOf(error: unknown): string {
  if (error instanceof Error && 'status' in error) return String(error.status);
  const status = STATUSES[codeOf(error)];
  if (status === undefined) throw error;
  return status;
}

const OK: DiskOutcome = { statuses: ['OK'] };

/**
 * Operations as system calls. Where NFS is not a file system call, it says so: handles instead of
 * paths, no open files, and what a server therefore lets the owner do (RFC 1813, section 4.4).
 */
export class DiskOperations {
  readonly #tree: DiskTree;
  /** Where things are made that the kernel lets only root make, on the same file system. */
  readonly #workshop: string;
  /** By object: verifiers of exclusive creates, which a file system of its own has no room for. */
  readonly #verifiers = new Map<number, number>();
  #lastChange = 0;

  constructor(tree: DiskTree, workshop: string) {
    this.#tree = tree;
    this.#workshop = workshop;
  }

  perform(operation: Operation, caller: Caller): DiskOutcome {
    sleep(this.#lastChange + TICK_MS - performance.now());
    try {
      for (const object of objectsOf(operation)) {
        if (this.#tree.isGone(object)) throw refusal('STALE');
      }
      return this.#perform(operation, caller);
    } catch (error) {
      return { statuses: [statusOf(error)] };
    } finally {
      this.#lastChange = performance.now();
    }
  }

  #perform(operation: Operation, caller: Caller): DiskOutcome {
    const tree = this.#tree;
    switch (operation.type) {
      case 'lookup':
        return this.#lookup(operation.where, caller);
      case 'access':
        return { ...OK, access: this.#access(operation.object, caller) };
      case 'readlink': {
        if (!this.#stats(operation.object).isSymbolicLink()) throw refusal('INVAL');
        const target = readlinkSync(tree.namePathOf(operation.object), 'latin1');
        return { ...OK, target };
      }
      case 'read': {
        const { object, offset, count } = operation;
        closeSync(this.#openToRead(object, caller));
        const content = tree.content(object);
        const data = content.subarray(offset, offset + count);
        return { ...OK, data, isEnd: offset + data.length >= content.length };
      }
      case 'write': {
        const { object, offset, length, fill } = operation;
        const file = this.#openToWrite(object, caller);
        as(caller, () => writeSync(file, Buffer.alloc(length, fill), 0, length, offset));
        closeSync(file);
        return OK;
      }
      case 'commit':
        if (!this.#stats(operation.object).isFile()) throw refusal('INVAL');
        return OK;
      case 'create':
        return this.#create(operation, caller);
      case 'create exclusive':
        return this.#createExclusive(operation.where, operation.verf, caller);
      case 'mkdir':
        return this.#make(operation.where, caller, (path) => mkdirSync(path, operation.mode));
      case 'symlink': {
        const target = Buffer.from(operation.target, 'latin1');
        return this.#make(operation.where, caller, (path) => symlinkSync(target, path));
      }
      case 'mknod':
        return this.#mknod(operation, caller);
      case 'remove':
        as(caller, () => unlinkSync(tree.placePath(operation.where)));
        return OK;
      case 'rmdir':
        as(caller, () => rmdirSync(tree.placePath(operation.where)));
        return OK;
      case 'rename': {
        const from = tree.placePath(operation.where);
        as(caller, () => renameSync(from, tree.placePath(operation.to)));
        return OK;
      }
      case 'link':
        this.#checkNewName(operation.where, caller);
        if (this.#stats(operation.object).isDirectory()) throw refusal('ISDIR');
        linkSync(tree.namePathOf(operation.object), tree.placePath(operation.where));
        return OK;
      case 'setattr':
        if (operation.guard === 'wrong') throw refusal('NOT_SYNC');
        return this.#setAttributes(operation.object, operation.wanted, caller);
      case 'list': {
        const path = tree.pathOf(operation.object);
        const names = as(caller, () => readdirSync(path, { encoding: 'buffer' }));
        return { ...OK, names: names.map((name) => name.toString('latin1')).sort() };
      }
      case 'about the file system':
        return OK;
    }
  }

  #stats(object: number): BigIntStats {
    return this.#tree.stats(object);
  }

  #lookup(where: Place, caller: Caller): DiskOutcome {
    // Above the root of an export there is nothing.
    const name = where.dir === 0 && where.name === '..' ? '.' : where.name;
    const path = this.#tree.placePath({ ...where, name });
    as(caller, () => lstatSync(path));
    return { ...OK, object: this.#tree.numberOf(path) };
  }

  #access(object: number, caller: Caller): number {
    const stats = this.#stats(object);
    const path = this.#tree.pathOf(object);
    const may = (work: () => void): boolean => isAllowed(() => as(caller, work));
    if (stats.isDirectory()) {
      const changes = Access3.MODIFY | Access3.EXTEND | Access3.DELETE;
      return (
        (may(() => readdirSync(path)) ? Access3.READ : 0) |
        (may(() => lstatSync(`${path}/.`)) ? Access3.LOOKUP : 0) |
        (may(() => closeSync(openSync(path, O_TMPFILE | constants.O_WRONLY))) ? changes : 0)
      );
    }
    const execute = permits(stats, caller, EXECUTE) ? Access3.EXECUTE : 0;
    const mayOpen = (flags: number, bit: number): boolean =>
      stats.isFile() ? may(() => closeSync(openSync(path, flags))) : permits(stats, caller, bit);
    return (
      execute |
      (mayOpen(constants.O_RDONLY, READ) ? Access3.READ : 0) |
      (mayOpen(constants.O_WRONLY, WRITE) ? Access3.MODIFY | Access3.EXTEND : 0)
    );
  }

  /** The owner goes on reading what it has opened; who may execute a file must be able to load it. */
  #openToRead(object: number, caller: Caller): number {
    this.#checkFile(object);
    const stats = this.#stats(object);
    const isLenient = Number(stats.uid) === caller.uid || permits(stats, caller, EXECUTE);
    const path = this.#tree.pathOf(object);
    return as(isLenient ? ROOT : caller, () => openSync(path, constants.O_RDONLY));
  }

  /** The owner goes on writing what it has opened. */
  #openToWrite(object: number, caller: Caller): number {
    this.#checkFile(object);
    const isOwner = Number(this.#stats(object).uid) === caller.uid;
    const path = this.#tree.pathOf(object);
    return as(isOwner ? ROOT : caller, () => openSync(path, constants.O_WRONLY));
  }

  #checkFile(object: number): void {
    const type = typeOf(this.#stats(object));
    if (type !== 'file') throw refusal(type === 'directory' ? 'ISDIR' : 'INVAL');
  }

  #make(where: Place, caller: Caller, make: (path: Buffer) => void): DiskOutcome {
    const path = this.#tree.placePath(where);
    as(caller, () => make(path));
    return { ...OK, object: this.#tree.numberOf(path) };
  }

  #create(
    { where, how, mode, size, gid }: Extract<Operation, { type: 'create' }>,
    caller: Caller,
  ): DiskOutcome {
    const path = this.#tree.placePath(where);
    if (as(caller, () => isThere(path))) {
      if (how === 'guarded' || !lstatSync(path).isFile()) throw refusal('EXIST');
      const object = this.#tree.numberOf(path);
      // As open(O_CREAT): of the attributes only a size counts for a file that is there.
      if (size !== undefined) this.#resize(object, size, caller);
      return { ...OK, object };
    }
    const file = as(caller, () => openSync(path, NEW_FILE, mode));
    try {
      if (gid !== undefined) {
        as(caller, () => fchownSync(file, caller.uid, gid));
        as(caller, () => fchmodSync(file, mode));
      }
      if (size !== undefined) ftruncateSync(file, size);
    } catch (error) {
      unlinkSync(path);
      throw error;
    } finally {
      closeSync(file);
    }
    return { ...OK, object: this.#tree.numberOf(path) };
  }

  #createExclusive(where: Place, verf: number, caller: Caller): DiskOutcome {
    const path = this.#tree.placePath(where);
    if (as(caller, () => isThere(path))) {
      const object = this.#tree.numberOf(path);
      if (this.#verifiers.get(object) !== verf) throw refusal('EXIST');
      return { ...OK, object };
    }
    const made = this.#make(where, caller, () => closeSync(openSync(path, NEW_FILE, 0)));
    this.#verifiers.set(made.object ?? -1, verf);
    return made;
  }

  #mknod(
    { where, kind, mode }: Extract<Operation, { type: 'mknod' }>,
    caller: Caller,
  ): DiskOutcome {
    this.#checkNewName(where, caller);
    if (kind.endsWith('device') && caller.uid !== 0) throw refusal('PERM');
    const workpiece = join(this.#workshop, 'workpiece');
    const finish = makeSpecial(kind, workpiece);
    const directory = this.#stats(where.dir);
    const inherits = (Number(directory.mode) & S_ISGID) !== 0;
    chownSync(workpiece, caller.uid, inherits ? Number(directory.gid) : caller.gid);
    chmodSync(workpiece, mode);
    const path = this.#tree.placePath(where);
    renameSync(workpiece, path);
    finish();
    return { ...OK, object: this.#tree.numberOf(path) };
  }

  /** Throws as link(2), mknod(2) and their like do when the caller may not make a name there. */
  #checkNewName(where: Place, caller: Caller): void {
    const path = this.#tree.placePath(where);
    const directory = this.#tree.pathOf(where.dir);
    try {
      as(caller, () => linkSync(directory, path));
    } catch (error) {
      // What is in /proc cannot be linked elsewhere: all else was right.
      if (codeOf(error) !== 'EXDEV') throw error;
    }
    as(caller, () => closeSync(openSync(directory, O_TMPFILE | constants.O_WRONLY)));
  }

  /** All of it or nothing, as SETATTR; what each attribute is refused with is in the statuses. */
  #setAttributes(object: number, wanted: Wanted, caller: Caller): DiskOutcome {
    const { mode, uid, gid, size, times } = wanted;
    const path = this.#tree.pathOf(object);
    const before = this.#stats(object);
    const statuses: string[] = [];
    const attempt = (work: () => void): void => {
      try {
        work();
      } catch (error) {
        statuses.push(statusOf(error));
      }
    };
    if (size !== undefined) attempt(() => closeSync(this.#openToWrite(object, caller)));
    if (times === 'server-time' && !isOwnerOrRoot(before, caller)) {
      attempt(() => {
        if (!permits(before, caller, WRITE)) throw refusal('ACCES');
      });
    }
    if (typeof times === 'object' && !isOwnerOrRoot(before, caller)) statuses.push('PERM');
    const changesOwner = uid !== undefined || gid !== undefined;
    if (changesOwner) attempt(() => as(caller, () => chownSync(path, uid ?? -1, gid ?? -1)));
    if (mode !== undefined) attempt(() => as(caller, () => chmodSync(path, mode)));
    if (statuses.length > 0) {
      chownSync(path, Number(before.uid), Number(before.gid));
      if (!before.isSymbolicLink()) chmodSync(path, Number(before.mode) & 0o7777);
      return { statuses: [...new Set(statuses)] };
    }
    if (size !== undefined) {
      this.#resize(object, size, caller);
      // The mode that was asked for is the last word, also on bits that a new size takes off.
      if (mode !== undefined) as(caller, () => chmodSync(path, mode));
    }
    if (times === 'server-time') utimesSync(path, Date.now() / 1000, Date.now() / 1000);
    else if (times !== undefined) utimesSync(path, times.atime, times.mtime);
    return OK;
  }

  #resize(object: number, size: number, caller: Caller): void {
    const file = this.#openToWrite(object, caller);
    as(caller, () => ftruncateSync(file, size));
    closeSync(file);
  }
}

/** Time passes for the whole process, as it does in a system call. */
function sleep(ms: number): void {
  if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function objectsOf(operation: Operation): number[] {
  const objects = 'object' in operation ? [operation.object] : [];
  if ('where' in operation) objects.push(operation.where.dir);
  if ('to' in operation) objects.push(operation.to.dir);
  return objects;
}

/** @returns what is to be done once it has been moved from `path`. */
function makeSpecial(kind: SpecialKind, path: string): () => void {
  if (kind === 'socket') {
    const server = createServer().listen(path);
    // Closing takes away what is at `path`.
    return () => server.close();
  }
  const { major, minor } = DEVICE;
  const numbers = kind === 'fifo' ? ['p'] : [kind[0] ?? '', String(major), String(minor)];
  const { status, stderr } = spawnSync('mknod', [path, ...numbers]);
  if (status !== 0) throw new Error(`mknod: ${stderr.toString()}`);
  return () => undefined;
}
