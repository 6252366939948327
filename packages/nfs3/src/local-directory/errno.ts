import { Nfsstat3, type Nfsstat3Error, nfsstat3Name } from '../status.ts';

/** What the operating system says, in the words of RFC 1813 section 2.6. */
const statusOfErrno: ReadonlyMap<string, Nfsstat3Error> = new Map([
  ['EPERM', Nfsstat3.PERM],
  ['ENOENT', Nfsstat3.NOENT],
  ['EIO', Nfsstat3.IO],
  ['ENXIO', Nfsstat3.NXIO],
  ['ETXTBSY', Nfsstat3.ACCES],
  ['EACCES', Nfsstat3.ACCES],
  // Another file system is mounted there.
  ['EBUSY', Nfsstat3.ACCES],
  ['EEXIST', Nfsstat3.EXIST],
  ['EXDEV', Nfsstat3.XDEV],
  ['ENODEV', Nfsstat3.NODEV],
  ['ENOTDIR', Nfsstat3.NOTDIR],
  ['EISDIR', Nfsstat3.ISDIR],
  ['EINVAL', Nfsstat3.INVAL],
  ['EFBIG', Nfsstat3.FBIG],
  ['ENOSPC', Nfsstat3.NOSPC],
  ['EROFS', Nfsstat3.ROFS],
  ['EMLINK', Nfsstat3.MLINK],
  ['ENAMETOOLONG', Nfsstat3.NAMETOOLONG],
  ['ENOTEMPTY', Nfsstat3.NOTEMPTY],
  ['EDQUOT', Nfsstat3.DQUOT],
  ['ESTALE', Nfsstat3.STALE],
  ['EOPNOTSUPP', Nfsstat3.NOTSUPP],
  ['ENOTSUP', Nfsstat3.NOTSUPP],
  // O_NOFOLLOW met a symbolic link where a directory or a file was expected.
  ['ELOOP', Nfsstat3.NOTDIR],
  // Out of descriptors or memory: it passes, so the client is asked to come back.
  ['EMFILE', Nfsstat3.JUKEBOX],
  ['ENFILE', Nfsstat3.JUKEBOX],
  ['ENOMEM', Nfsstat3.JUKEBOX],
  ['EAGAIN', Nfsstat3.JUKEBOX],
]);

/** It says nothing about the object: the process is out of descriptors or memory for now. */
export function isExhaustion(error: unknown): boolean {
  return statusOf(error) === Nfsstat3.JUKEBOX;
}

/** Ends a procedure with a status; it never leaves the local directory. */
export class Nfs3Failure extends Error {
  readonly code = 'NFS3_FAILURE';
  readonly status: Nfsstat3Error;

  constructor(status: Nfsstat3Error) {
    super(nfsstat3Name(status));
    this.status = status;
  }
}

/** The status to answer for an error; one that says nothing known is a fault of the server. */
export function statusOf(error: unknown): Nfsstat3Error {
  if (error instanceof Nfs3Failure) return error.status;
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    return statusOfErrno.get(error.code) ?? Nfsstat3.SERVERFAULT;
  }
  return Nfsstat3.SERVERFAULT;
}
