export type ShadowErrorCode =
  | 'SHADOW_IN_USE'
  | 'SHADOW_VERSION_MISMATCH'
  | 'SHADOW_CORRUPT'
  | 'SHADOW_UNUSABLE'
  | 'SHADOW_CLOSED'
  | 'LOWER_HANDLE_TOO_LONG';

/** Why a shadow cannot be opened or used; the message says what to do about it. */
export class ShadowError extends Error {
  override readonly name = 'ShadowError';
  readonly code: ShadowErrorCode;

  constructor(code: ShadowErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
