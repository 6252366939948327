import { RpcError, type RpcErrorCode } from '@rowfs/oncrpc';
import { Nfsstat3, type Nfsstat3Error } from '../status.ts';

/**
 * What a client is told when a service has no answer because of another server. What may pass is
 * JUKEBOX: the client comes back, as often as it takes. What will not pass must not be, for then it
 * would come back for ever.
 */
const statusByCode: Readonly<Record<RpcErrorCode, Nfsstat3Error>> = {
  CONNECTION: Nfsstat3.JUKEBOX,
  TIMEOUT: Nfsstat3.JUKEBOX,
  ABORTED: Nfsstat3.JUKEBOX,
  CLOSED: Nfsstat3.JUKEBOX,
  // A server that is starting answers so, and one that is out of memory.
  PROG_UNAVAIL: Nfsstat3.JUKEBOX,
  SYSTEM_ERR: Nfsstat3.JUKEBOX,
  AUTH_ERROR: Nfsstat3.ACCES,
  PROC_UNAVAIL: Nfsstat3.NOTSUPP,
  PROG_MISMATCH: Nfsstat3.SERVERFAULT,
  RPC_MISMATCH: Nfsstat3.SERVERFAULT,
  GARBAGE_ARGS: Nfsstat3.SERVERFAULT,
  BAD_REPLY: Nfsstat3.SERVERFAULT,
  RECORD_TOO_LONG: Nfsstat3.SERVERFAULT,
};

/** The status for what a service rejected with; a defect of its own is NFS3ERR_SERVERFAULT. */
export function statusOfError(error: unknown): Nfsstat3Error {
  return error instanceof RpcError ? statusByCode[error.code] : Nfsstat3.SERVERFAULT;
}
