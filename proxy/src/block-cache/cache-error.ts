export type CacheErrorCode =
  /** A file that is not what its name says. */
  | 'NOT_A_SEGMENT'
  /** Another process tidies the cache up now. */
  | 'CACHE_BUSY'
  /** A file of a directory is not as the image says. */
  | 'WRONG_TREE'
  /** No version is pinned under this name. */
  | 'NOT_PINNED'
  /** There is no room: what is there is pinned, or in use, or the disk is full. */
  | 'CACHE_FULL';

/** Why a block cache cannot do what it was asked. */
export class CacheError extends Error {
  override readonly name = 'CacheError';
  readonly code: CacheErrorCode;

  constructor(code: CacheErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
