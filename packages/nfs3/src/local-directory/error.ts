export type LocalDirectoryErrorCode = 'NO_ROOT' | 'UNSUPPORTED_PLATFORM';

/** A directory cannot be served at all. */
export class LocalDirectoryError extends Error {
  override readonly name = 'LocalDirectoryError';
  readonly code: LocalDirectoryErrorCode;

  constructor(code: LocalDirectoryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
