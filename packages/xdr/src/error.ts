/** Why bytes were refused: stable, for programs; the message is for people. */
export type XdrErrorCode = 'TRUNCATED' | 'TRAILING_BYTES' | 'TOO_LONG' | 'BAD_VALUE';

/** The bytes are not the XDR that was expected (RFC 4506), or a value does not fit its type. */
export class XdrError extends Error {
  override readonly name = 'XdrError';
  readonly code: XdrErrorCode;

  constructor(code: XdrErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
