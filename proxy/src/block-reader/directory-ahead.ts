import { FileType, type Image } from '@rowfs/image';
import { LRUCache } from 'lru-cache';
import type { BlocksRead } from './read-ahead.ts';

const KIB = 1024;

/** What may be fetched in one directory before anything of it proved of use. */
const FIRST_CREDIT_BYTES = 128 * KIB;
/** And more for each file that somebody then had to wait for nevertheless. */
const CREDIT_OF_A_MISS_BYTES = 16 * KIB;
/** What was read after all gives back what it cost, and as much again. */
const GAIN = 2;
const MAX_CREDIT_BYTES = 4096 * KIB;
/** Of a large file its beginning: who reads that reads on, which is read-ahead's business. */
const MAX_FETCHED_BYTES = 256 * KIB;
/** What it costs besides to fetch from one more file. */
const CALL_BYTES = 256;
/** So many files are looked up on the server for each that was read. */
const EXPECTED_AT_ONCE = 64;
/** How many files on each side of the one that was read first are looked at. */
const MAX_NEIGHBOURS = 512;
/** How many directories stay known. */
const MAX_DIRECTORIES = 256;

export interface FetchedAhead {
  /** Up to this block all is here, or on its way. */
  readonly end: number;
  /** Bytes that are on their way only now. */
  readonly bytes: number;
}

export interface NeighbourFetcher {
  /** Fetches what is not here of these blocks, as far as it may. */
  fetch(first: number, end: number): FetchedAhead;
  /** The file may be read soon. */
  expect(fileid: number): void;
}

interface Directory {
  /** The file that was read last. */
  lastRead: number;
  /** Files between these, the ends not included, were read or are expected. */
  low: number;
  high: number;
  /** What may be fetched, in bytes. */
  credit: number;
  /** Bytes that were fetched of files that nobody has read yet. */
  readonly unread: Map<number, number>;
  /** The files around the one that was read first, smallest first; those before `next` were fetched. */
  bySize: Uint32Array | undefined;
  next: number;
}

/**
 * Decides what to fetch because other files of the directory were read. Who reads two files of one directory, in
 * whatever order, mostly reads more of them; and on a long link each file that was not expected costs two round
 * trips: one to look it up and one to read it.
 *
 * Looking up costs next to nothing, and is done for many. What is fetched is paid for: a directory begins
 * with a small credit, and gets more for what was of use. The smallest files go first, for each saves a round
 * trip, whatever its size. So what nobody reads costs at most as much as what somebody did, and besides
 * {@link FIRST_CREDIT_BYTES} for each directory and {@link CREDIT_OF_A_MISS_BYTES} for each file
 * that was waited for.
 */
export class DirectoryAhead {
  readonly #image: Image;
  readonly #fetcher: NeighbourFetcher;
  readonly #directories = new LRUCache<number, Directory>({ max: MAX_DIRECTORIES });

  constructor(image: Image, fetcher: NeighbourFetcher) {
    this.#image = image;
    this.#fetcher = fetcher;
  }

  /** To be called once what was asked for is on its way: that goes first. */
  onRead(fileid: number, { first, file, isLate }: BlocksRead): void {
    const parent = this.#image.parent(fileid);
    const directory = this.#directories.get(parent);
    const isMiss = isLate && first === file.first;
    if (directory === undefined) {
      if (isMiss) this.#begin(parent, fileid);
      return;
    }
    if (directory.lastRead === fileid) return;
    directory.lastRead = fileid;
    const cost = directory.unread.get(fileid);
    if (cost === undefined && !isMiss) return;
    directory.unread.delete(fileid);
    const earned = cost === undefined ? CREDIT_OF_A_MISS_BYTES : GAIN * cost;
    directory.credit = Math.min(directory.credit + earned, MAX_CREDIT_BYTES);
    this.#expectNeighbours(parent, directory);
    directory.bySize ??= this.#neighbours(parent, fileid);
    this.#fetchSmallest(directory, directory.bySize);
  }

  #begin(parent: number, fileid: number): void {
    const directory: Directory = {
      lastRead: fileid,
      low: fileid - 1,
      high: fileid + 1,
      credit: FIRST_CREDIT_BYTES,
      unread: new Map(),
      bySize: undefined,
      next: 0,
    };
    this.#directories.set(parent, directory);
    this.#expectNeighbours(parent, directory);
  }

  /** Those nearest to the first on both sides. */
  #expectNeighbours(parent: number, directory: Directory): void {
    for (let count = 0; count < EXPECTED_AT_ONCE;) {
      const { low, high } = directory;
      const [hasLow, hasHigh] = [this.#isIn(parent, low), this.#isIn(parent, high)];
      if (!hasLow && !hasHigh) return;
      if (hasLow) directory.low -= 1;
      if (hasHigh) directory.high += 1;
      for (const fileid of [...(hasHigh ? [high] : []), ...(hasLow ? [low] : [])]) {
        if (!this.#hasContents(fileid)) continue;
        this.#fetcher.expect(fileid);
        count += 1;
      }
    }
  }

  #fetchSmallest(directory: Directory, bySize: Uint32Array): void {
    for (; directory.next < bySize.length; directory.next += 1) {
      const fileid = bySize[directory.next] ?? 0;
      const { size } = this.#image.attributes(fileid);
      if (Math.min(size, MAX_FETCHED_BYTES) + CALL_BYTES > directory.credit) return;
      const [run] = this.#image.runs(fileid);
      if (run === undefined) continue;
      const count = Math.min(run.count, Math.ceil(MAX_FETCHED_BYTES / this.#image.blockSize));
      const wanted = run.number + count;
      const { bytes, end } = this.#fetcher.fetch(run.number, wanted);
      if (bytes > 0) {
        const cost = bytes + CALL_BYTES;
        directory.credit -= cost;
        directory.unread.set(fileid, cost + (directory.unread.get(fileid) ?? 0));
      }
      if (end < wanted) return;
    }
  }

  /** The files of one directory have numbers that follow each other, in the order of their names. */
  #neighbours(parent: number, fileid: number): Uint32Array {
    const files: { readonly fileid: number; readonly size: number }[] = [];
    for (const step of [-1, 1])
      for (let distance = 1; distance <= MAX_NEIGHBOURS; distance += 1) {
        const neighbour = fileid + step * distance;
        if (!this.#isIn(parent, neighbour)) break;
        if (!this.#hasContents(neighbour)) continue;
        files.push({ fileid: neighbour, size: this.#image.attributes(neighbour).size });
      }
    files.sort((a, b) => a.size - b.size);
    return Uint32Array.from(files, (each) => each.fileid);
  }

  #isIn(parent: number, fileid: number): boolean {
    return this.#image.has(fileid) && this.#image.parent(fileid) === parent;
  }

  #hasContents(fileid: number): boolean {
    return this.#image.type(fileid) === FileType.REG && this.#image.runs(fileid).length > 0;
  }
}
