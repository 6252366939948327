import type { Image } from '@rowfs/image';
import { LRUCache } from 'lru-cache';
import type { BlocksRead } from './read-ahead.ts';

/** Fetched around the second file of a directory that somebody waited for. */
const FIRST_WINDOW_BYTES = 256 * 1024;
/** What was fetched for one directory at a time, at most. */
const MAX_WINDOW_BYTES = 4 * 1024 * 1024;
/** How many directories stay known. */
const MAX_DIRECTORIES = 256;

/** Which blocks of a directory's files were fetched, or looked at: those from `low` up to `high`. */
interface Neighbourhood {
  /** The file that was read last. */
  fileid: number;
  low: number;
  high: number;
  window: number;
  isTried: boolean;
}

/**
 * Decides which files to fetch because others of their directory were read. Who reads two files of
 * one directory, in whatever order, mostly reads more of them; and on a long link each file that was
 * not expected costs two round trips.
 *
 * The first time it is little that is fetched, twice as much each time that some of it was read, and no
 * more when none of it is: what nobody wants costs at most {@link FIRST_WINDOW_BYTES} for each file
 * that somebody did.
 */
export class DirectoryAhead {
  readonly #image: Image;
  readonly #fetch: (first: number, end: number) => number;
  readonly #directories = new LRUCache<number, Neighbourhood>({ max: MAX_DIRECTORIES });

  /** @param fetch fetches what is not here of these blocks, as far as it may. @returns up to which it did. */
  constructor(image: Image, fetch: (first: number, end: number) => number) {
    this.#image = image;
    this.#fetch = fetch;
  }

  /** To be called once what was asked for is on its way: that goes first. */
  onRead(fileid: number, { first, file, isLate }: BlocksRead): void {
    const directory = this.#image.parent(fileid);
    const known = this.#directories.get(directory);
    if (known === undefined) {
      if (!isLate) return;
      const window = this.#blocks(FIRST_WINDOW_BYTES);
      const { first: low, end: high } = file;
      this.#directories.set(directory, { fileid, low, high, window, isTried: false });
      return;
    }
    if (known.fileid === fileid) return;
    known.fileid = fileid;
    const wasForeseen = known.isTried && first >= known.low && first < known.high;
    if (wasForeseen) known.window = Math.min(known.window * 2, this.#blocks(MAX_WINDOW_BYTES));
    else if (!isLate) return;
    known.isTried = true;
    this.#extend(directory, known);
  }

  /** On, and when there are no files further on, back. */
  #extend(directory: number, known: Neighbourhood): void {
    const end = this.#endOf(directory, known.high, known.window, 1);
    if (end > known.high) {
      known.high = this.#fetch(known.high, end);
      return;
    }
    const begin = this.#endOf(directory, known.low - 1, known.window, -1) + 1;
    if (begin >= known.low) return;
    this.#fetch(begin, known.low);
    known.low = begin;
  }

  /** From block `from` on in steps of `step`, the first that is not of the directory's files. */
  #endOf(directory: number, from: number, count: number, step: 1 | -1): number {
    let number = from;
    for (; number !== from + count * step; number += step) {
      if (number < 0 || number >= this.#image.blockCount) break;
      if (this.#image.parent(this.#image.storedBlock(number).fileid) !== directory) break;
    }
    return number;
  }

  #blocks(bytes: number): number {
    return Math.max(1, Math.floor(bytes / this.#image.blockSize));
  }
}
