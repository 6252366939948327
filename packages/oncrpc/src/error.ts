/**
 * Why a call has no results. From RFC 5531's replies: RPC_MISMATCH, AUTH_ERROR, PROG_UNAVAIL,
 * PROG_MISMATCH, PROC_UNAVAIL, GARBAGE_ARGS, SYSTEM_ERR. From this side of the wire:
 *
 * - TIMEOUT: the call was sent and not answered in time.
 * - CONNECTION: no connection could be made or kept long enough to have it answered.
 * - CLOSED: the client was closed.
 * - ABORTED: the caller's signal fired.
 * - BAD_REPLY: the server's replies are no RPC.
 * - BAD_CALL: bytes that should have been a call are no RPC.
 * - RECORD_TOO_LONG: a record is longer than the limit.
 */
export type RpcErrorCode =
  | 'RPC_MISMATCH'
  | 'AUTH_ERROR'
  | 'PROG_UNAVAIL'
  | 'PROG_MISMATCH'
  | 'PROC_UNAVAIL'
  | 'GARBAGE_ARGS'
  | 'SYSTEM_ERR'
  | 'TIMEOUT'
  | 'CONNECTION'
  | 'CLOSED'
  | 'ABORTED'
  | 'BAD_REPLY'
  | 'BAD_CALL'
  | 'RECORD_TOO_LONG';

/** A remote procedure call that brought no results: the procedure's own errors are results. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: RpcErrorCode;

  constructor(code: RpcErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
