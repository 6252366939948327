import type { ReplyLifetime } from '@rowfs/oncrpc';

/** The bytes of an image's regular files, wherever they come from. */
export interface FileContents {
  /**
   * `count` bytes from `offset` on, which are within the file, in pieces that must not be changed; fewer
   * of them when those that follow cannot be had. They are valid until `reply` ends, and without one for
   * ever: who keeps them longer, copies them. Answers at once when the bytes are at hand: a promise
   * costs more than reading them.
   *
   * @throws (or rejects) when the first byte cannot be had, with an error whose message says which, and why;
   *   FetchError NO_SERVER when it may be had later.
   */
  read(
    fileid: number,
    offset: number,
    count: number,
    signal: AbortSignal,
    reply?: ReplyLifetime,
  ): readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
}
