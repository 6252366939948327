import { nfsstat3Name, type Nfsstat3Error } from './status.ts';

/**
 * A status that a helper of this package could not go on with. Services answer a status and never
 * throw this.
 */
export class Nfs3Error extends Error {
  override readonly name = 'Nfs3Error';
  readonly status: Nfsstat3Error;
  /** The RFC's name of the status, such as NFS3ERR_STALE. */
  readonly code: string;

  constructor(status: Nfsstat3Error, doing: string) {
    super(`${doing}: ${nfsstat3Name(status)}`);
    this.status = status;
    this.code = nfsstat3Name(status);
  }
}
