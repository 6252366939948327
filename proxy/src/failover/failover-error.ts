/**
 * Why a server is not used, or none is:
 *
 * - NO_SERVER_REACHABLE: not one of the servers could be mounted.
 * - EXPORT_NOT_FOUND: the server has no such export.
 * - MOUNT_REFUSED: the server has the export, and does not let us have it.
 * - NOT_A_DIRECTORY: what the server exports there is no directory.
 * - UNREACHABLE: the server was not reached, or the connection broke.
 * - SILENT: the server took a call and did not answer in time.
 * - WRONG_ANSWER: the server answers what cannot be, or fails where another server does not.
 */
export type FailoverErrorCode =
  | 'NO_SERVER_REACHABLE'
  | 'EXPORT_NOT_FOUND'
  | 'MOUNT_REFUSED'
  | 'NOT_A_DIRECTORY'
  | 'UNREACHABLE'
  | 'SILENT'
  | 'WRONG_ANSWER';

export class FailoverError extends Error {
  override readonly name = 'FailoverError';
  readonly code: FailoverErrorCode;

  constructor(code: FailoverErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
