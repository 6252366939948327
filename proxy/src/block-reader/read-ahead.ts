const MIB = 2 ** 20;

/** Fetched behind the first read of a file, and when the next reads follow it. */
const FIRST_WINDOW_BYTES = 256 * 1024;
/** What a link of 1 Gbit/s has on its way in a quarter of a second. */
const MAX_WINDOW_BYTES = 32 * MIB;
/** Clients send several reads at once, and these overtake each other by no more than this. */
const DISORDER_BYTES = 2 * MIB;
/** Files that must be read to their end in order before those behind them are fetched. */
const FILES_IN_ORDER = 2;
/** Readers that are followed at the same time. */
const MAX_STREAMS = 32;

/** What a read touched: numbers of blocks, as the image counts them; ends are not included. */
export interface BlocksRead {
  readonly first: number;
  readonly end: number;
  readonly file: { readonly first: number; readonly end: number };
  /** The reader has to wait: some of it was not here. */
  readonly isLate: boolean;
}

/** Somebody who reads in order. */
interface Stream {
  /** Up to here it has read. */
  next: number;
  /** Up to here everything was fetched, or was there. */
  ahead: number;
  /** How many blocks are to be fetched before they are read. */
  window: number;
  /** What was on its way must have been waited for before the window grows again. */
  grownAt: number;
  file: BlocksRead['file'];
  filesInOrder: number;
}

/**
 * Decides which blocks to fetch before they are asked for. Since blocks are numbered in the order of files and
 * offsets, and files in the order of their directory, a reader of a file and one of many small files
 * look alike: the numbers that they ask for follow each other.
 *
 * A reader's window doubles each time that it has to wait although it reads in order: so it becomes what the link
 * needs, and no more. Who jumps begins anew, without one.
 */
export class ReadAhead {
  readonly #blockSize: number;
  readonly #blockCount: number;
  readonly #fetch: (first: number, end: number) => number;
  /** Who read last is the last. */
  #streams: Stream[] = [];

  /** @param fetch fetches what is not here of these blocks, as far as it may. @returns up to which it did. */
  constructor(
    image: { readonly blockSize: number; readonly blockCount: number },
    fetch: (first: number, end: number) => number,
  ) {
    this.#blockSize = image.blockSize;
    this.#blockCount = image.blockCount;
    this.#fetch = fetch;
  }

  /** To be called once what was asked for is on its way: that goes first. */
  onRead(read: BlocksRead): void {
    const stream = this.#follow(read);
    if (stream.window === 0) return;
    const from = Math.max(stream.ahead, stream.next);
    if (from - stream.next > stream.window / 2) return;
    const goesOn = stream.filesInOrder >= FILES_IN_ORDER;
    const limit = goesOn ? this.#blockCount : stream.file.end;
    const to = Math.min(stream.next + stream.window, limit);
    if (to > from) stream.ahead = this.#fetch(from, to);
  }

  /** Finds out who it is that reads. */
  #follow({ first, end, file, isLate }: BlocksRead): Stream {
    const index = this.#streams.findLastIndex((stream) => this.#goesOn(stream, first, end, file));
    const stream = this.#streams[index];
    if (stream === undefined) return this.#begin(first, end, file);
    if (index < this.#streams.length - 1) {
      this.#streams.splice(index, 1);
      this.#streams.push(stream);
    }
    if (file.first !== stream.file.first) {
      stream.file = file;
      stream.filesInOrder += 1;
    }
    if (end <= stream.next) return stream;
    stream.next = end;
    if (stream.window === 0) stream.window = this.#blocks(FIRST_WINDOW_BYTES);
    else if (isLate && end > stream.grownAt) {
      stream.window = Math.min(stream.window * 2, this.#blocks(MAX_WINDOW_BYTES));
      stream.grownAt = Math.max(stream.ahead, end);
    }
    return stream;
  }

  /** Whether this may be what the reader reads next: near in the same file, or the next file's beginning. */
  #goesOn(stream: Stream, first: number, end: number, file: BlocksRead['file']): boolean {
    if (file.first !== stream.file.first)
      return first === stream.file.end && stream.next === stream.file.end;
    const disorder = this.#blocks(DISORDER_BYTES);
    return first <= stream.next + disorder && end >= stream.next - disorder;
  }

  #begin(first: number, end: number, file: BlocksRead['file']): Stream {
    // Who begins a file at its beginning mostly reads on.
    const window = first === file.first ? this.#blocks(FIRST_WINDOW_BYTES) : 0;
    const stream = {
      next: end,
      ahead: end,
      window,
      grownAt: end,
      file,
      filesInOrder: 0,
    };
    this.#streams.push(stream);
    if (this.#streams.length > MAX_STREAMS) this.#streams.shift();
    return stream;
  }

  #blocks(bytes: number): number {
    return Math.max(1, Math.floor(bytes / this.#blockSize));
  }
}
