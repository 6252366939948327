export type ProfileErrorCode =
  /** The bytes are no boot profile, or a damaged one. */
  | 'NOT_A_PROFILE'
  /** It is about another image. */
  | 'WRONG_IMAGE';

/** Why a boot profile is of no use. */
export class ProfileError extends Error {
  override readonly name = 'ProfileError';
  readonly code: ProfileErrorCode;

  constructor(code: ProfileErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
