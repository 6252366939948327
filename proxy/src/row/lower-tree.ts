import type { Fattr3, Filehandle, Filename, Nfsstat3Error } from '@rowfs/nfs3';

/** A name of a directory of the lower. */
export interface ListedName {
  readonly name: Filename;
  readonly fileid: number;
}

/**
 * A lower that tells names and attributes at once, as an image does out of its manifest: it is asked
 * each time, so that nothing of it has to be kept. Handles are those that it has as a service; a status
 * says why there is no answer.
 */
export interface LowerTree {
  /** With this fsid in place of its own. */
  attributes(handle: Filehandle, fsid: bigint): Fattr3 | Nfsstat3Error;
  /** The handle of a name, `..` too; NOENT for a name that is not there. */
  child(directory: Filehandle, name: Filename): Filehandle | Nfsstat3Error;
  /** All names of a directory but `.` and `..`, in any order. */
  list(directory: Filehandle): readonly ListedName[] | Nfsstat3Error;
  handleOf(fileid: number): Filehandle;
}
