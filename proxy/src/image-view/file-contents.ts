/** The bytes of an image's regular files, wherever they come from. */
export interface FileContents {
  /**
   * `count` bytes from `offset` on, which are within the file, in pieces that must not be changed.
   * Answers at once when the bytes are at hand: a promise costs more than reading them.
   *
   * @throws (or rejects) with an error whose message says which bytes cannot be had, and why; FetchError
   *   NO_SERVER when they may be had later.
   */
  read(
    fileid: number,
    offset: number,
    count: number,
    signal: AbortSignal,
  ): readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
}
