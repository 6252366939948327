import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { DIGEST_BYTES, digestOf } from './digest.ts';
import { ImageError } from './error.ts';
import { MAX_BLOCK_SIZE } from './format.ts';
import { nextData } from './libc.ts';
import { type FileIdentity, reading } from './scan-directory.ts';
import type { FileContent, Run } from './tree.ts';

/** A stretch of a file whose blocks are to be read; its start is a multiple of the block size. */
export interface Stretch {
  readonly path: Uint8Array;
  readonly identity: FileIdentity;
  readonly start: number;
  readonly end: number;
}

const buffer = Buffer.alloc(MAX_BLOCK_SIZE);
const zeros = Buffer.alloc(MAX_BLOCK_SIZE);
const SECTOR_BYTES = 512n;

/** Collects blocks in their order. */
export class ContentBuilder {
  readonly #runs: { first: number; count: number }[] = [];
  readonly #digests: Uint8Array[] = [];

  /** Adds a block that is not all zero. */
  add(block: number, digest: Uint8Array): void {
    const last = this.#runs.at(-1);
    if (last !== undefined && last.first + last.count === block) last.count += 1;
    else this.#runs.push({ first: block, count: 1 });
    this.#digests.push(digest);
  }

  /** Adds `bytes`, unless they are all zero. */
  addBytes(block: number, bytes: Uint8Array): void {
    if (!zeros.subarray(0, bytes.length).equals(bytes)) this.add(block, digestOf(bytes));
  }

  build(): FileContent {
    return { runs: this.#runs, digests: Buffer.concat(this.#digests) };
  }
}

/**
 * Reads a stretch of a file and takes the digest of each block. Holes are not read.
 *
 * @throws ImageError TREE_CHANGED when it is not, or does not stay, the file of that identity;
 *   UNREADABLE
 */
export function readBlocks(stretch: Stretch, blockSize: number): FileContent {
  const { path, identity, start, end } = stretch;
  const fd = reading(path, () => openSync(Buffer.from(path), READ_NOFOLLOW));
  try {
    return reading(path, () => {
      const stats = fstatSync(fd, { bigint: true });
      checkIdentity(path, identity, stats);
      const isSparse = stats.blocks * SECTOR_BYTES < stats.size;
      const content = new ContentBuilder();
      let at = start;
      while (at < end) {
        const data = isSparse ? nextData(fd, at) : { start: at, end };
        if (data === undefined) break;
        at = Math.max(at, data.start - (data.start % blockSize));
        for (const until = Math.min(data.end, end); at < until;) {
          const wanted = Math.min(buffer.length, end - at);
          if (readSync(fd, buffer, 0, wanted, at) !== wanted) throw changed(path);
          for (let i = 0; i < wanted; i += blockSize) {
            content.addBytes(
              (at + i) / blockSize,
              buffer.subarray(i, Math.min(i + blockSize, wanted)),
            );
          }
          at += wanted;
        }
      }
      checkIdentity(path, identity, fstatSync(fd, { bigint: true }));
      return content.build();
    });
  } finally {
    closeSync(fd);
  }
}

// Without O_NONBLOCK, a fifo that took the file's place would never open.
const READ_NOFOLLOW = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

function checkIdentity(path: Uint8Array, a: FileIdentity, b: FileIdentity): void {
  const isSame =
    a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;
  if (!isSame) throw changed(path);
}

function changed(path: Uint8Array): ImageError {
  const name = Buffer.from(path).toString();
  return new ImageError('TREE_CHANGED', `${name} changed while it was read: build again`);
}

/** Puts together the contents of a file's stretches, in their order. */
export function joinContents(parts: readonly FileContent[]): FileContent {
  const [only, ...others] = parts;
  if (only !== undefined && others.length === 0) return only;
  const content = new ContentBuilder();
  for (const { runs, digests } of parts) {
    let at = 0;
    for (const { first, count } of runs satisfies readonly Run[]) {
      for (let block = first; block < first + count; block += 1, at += DIGEST_BYTES) {
        content.add(block, digests.subarray(at, at + DIGEST_BYTES));
      }
    }
  }
  return content.build();
}
