/**
 * Why a block could not be had:
 *
 * - BAD_BLOCK: every server that can be asked was, and none has it as the image says. Asking again
 *   helps only when a server was repaired.
 * - NO_SERVER: no server answered for as long as blocks are waited for. Asking again may help.
 * - CLOSED: the fetcher was closed.
 */
export type FetchErrorCode = 'BAD_BLOCK' | 'NO_SERVER' | 'CLOSED';

export class FetchError extends Error {
  override readonly name = 'FetchError';
  readonly code: FetchErrorCode;

  constructor(code: FetchErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
