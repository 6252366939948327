import type { XdrReader, XdrWriter } from '@rowfs/xdr';
import type { Peer } from './address.ts';
import type { Credential } from './auth.ts';
import type { ReplyLifetime } from './reply-lifetime.ts';

/** What a procedure knows of its call besides the arguments. */
export interface RpcContext {
  readonly credential: Credential;
  /**
   * Fires when nobody can take the results any more: when the server closes and, for procedures
   * that are not `cacheable`, when the connection is reset. The caller will ask again for a
   * cacheable one, so its work goes on.
   */
  readonly signal: AbortSignal;
  readonly peer: Peer;
  /**
   * Payloads of the results may stand in memory that is used again when this has ended. Where it is
   * left out the results are the caller's for as long as it wants them: in calls that no reply is sent
   * to, and in those of `cacheable` procedures, whose replies are kept.
   */
  readonly reply?: ReplyLifetime;
  /**
   * In calls of `cacheable` procedures, what the duplicate request cache knows them by: the same text when
   * a call is sent again, over another connection too and to a later process of the server, and another
   * one for any other call. Who keeps replies for longer than this server lives finds them by it.
   */
  readonly duplicateRequestKey?: string;
}

/** Writes the results of a procedure, after the reply's header. */
export type WriteResults = (results: XdrWriter) => void;

/** One procedure of a program. */
export interface RpcProcedure {
  /** As the program's RFC calls it, for logs. */
  readonly name: string;
  /** Not idempotent: its reply is kept in the duplicate request cache. */
  readonly cacheable: boolean;
  /** `sys` refuses calls without an AUTH_SYS credential with AUTH_TOOWEAK. */
  readonly auth: 'any' | 'sys';
  /**
   * Decodes its arguments from `args`, does the work, and resolves to what writes the results.
   *
   * `args` and the payloads taken from it by reference are the caller's to keep. An XdrError is
   * answered GARBAGE_ARGS; any other error SYSTEM_ERR, and logged.
   */
  call(args: XdrReader, context: RpcContext): Promise<WriteResults>;
}

/**
 * One version of a program. Procedure 0 (NULL) is answered without being listed. A program with
 * several versions is several of these with the same number.
 */
export interface RpcProgram {
  readonly program: number;
  readonly version: number;
  readonly name: string;
  readonly procedures: ReadonlyMap<number, RpcProcedure>;
}
