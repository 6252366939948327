export type ImageErrorCode =
  /** The bytes are no manifest at all. */
  | 'NOT_AN_IMAGE'
  /** A manifest of a format that this package does not know. */
  | 'UNKNOWN_VERSION'
  /** The bytes are not those whose digest was expected or written. */
  | 'DIGEST_MISMATCH'
  /** The bytes break a rule of the format. */
  | 'CORRUPT'
  /** No inode of the image has this number. */
  | 'NO_SUCH_INODE'
  /** No block of the image has this number. */
  | 'NO_SUCH_BLOCK'
  /** The inode is of another type than the question is about. */
  | 'WRONG_TYPE'
  /** A file of the source could not be read. */
  | 'UNREADABLE'
  /** The source changed while it was read. */
  | 'TREE_CHANGED'
  /** Something in the source that the format has no room for, or that an image cannot have. */
  | 'UNSUPPORTED'
  /** The work was given up because its signal said so. */
  | 'ABORTED';

/** Why an image could not be built, opened or asked; the message says what to do. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
  readonly code: ImageErrorCode;

  constructor(code: ImageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
