import type { ReplyOutcome } from './message.ts';

/**
 * Why a call has no results. From RFC 5531's replies: RPC_MISMATCH, AUTH_ERROR, PROG_UNAVAIL,
 * PROG_MISMATCH, PROC_UNAVAIL, GARBAGE_ARGS, SYSTEM_ERR. From this side of the wire:
 *
 * - TIMEOUT: the call was sent and not answered in time.
 * - CONNECTION: no connection could be made or kept long enough to have it answered.
 * - CLOSED: the client was closed.
 * - ABORTED: the caller's signal fired.
 * - BAD_REPLY: the server's replies are no RPC.
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

/** The error that a reply other than SUCCESS is to the caller. */
export function errorOfOutcome(outcome: Exclude<ReplyOutcome, { status: 'SUCCESS' }>): RpcError {
  const { status } = outcome;
  switch (status) {
    case 'PROG_MISMATCH':
    case 'RPC_MISMATCH':
      return new RpcError(status, `the server speaks versions ${outcome.low} to ${outcome.high}`);
    case 'AUTH_ERROR':
      return new RpcError(status, `the server refused the credential: ${outcome.authStat}`);
    case 'PROG_UNAVAIL':
      return new RpcError(status, 'the server does not have the program');
    case 'PROC_UNAVAIL':
      return new RpcError(status, 'the server does not have the procedure');
    case 'GARBAGE_ARGS':
      return new RpcError(status, 'the server could not decode the arguments');
    case 'SYSTEM_ERR':
      return new RpcError(status, 'the server failed for a reason of its own');
  }
}

export function connectionError(cause: Error): RpcError {
  return new RpcError('CONNECTION', `the server was not reached: ${cause.message}`, { cause });
}

export function closedError(): RpcError {
  return new RpcError('CLOSED', 'the client was closed');
}

export function abortedError(signal: AbortSignal | undefined): RpcError {
  return new RpcError('ABORTED', 'the call was aborted', { cause: signal?.reason });
}

export function spoiledError(cause: Error): RpcError {
  return new RpcError('BAD_REPLY', `the server's replies are no RPC: ${cause.message}`, { cause });
}
