import { type Image, verifyBlock } from '@rowfs/image';
import type { ReplyLifetime } from '@rowfs/oncrpc';
import { LRUCache } from 'lru-cache';
import { BufferPool, type Loan } from './buffer-pool.ts';
import { DigestTable } from './digest-table.ts';
import type { OpenSegments } from './open-segments.ts';
import { type ScannedRecord, type Segment } from './segment.ts';
import { Flag } from './segment-format.ts';

/** Bytes of blocks of a file that are numbered one after the other. */
export interface BlockSpan {
  /** Of the first block. */
  readonly number: number;
  readonly count: number;
  /** Bytes of the last block; the others have the image's block size. */
  readonly lastLength: number;
  /** Which bytes, counted from the beginning of the first block. They touch each of the blocks. */
  readonly from: number;
  readonly to: number;
}

/** What an image needs of the cache that it is attached to. */
export interface BlockStore {
  /** Takes a block to be written. @returns false when it has no room for it now. */
  store(block: WaitingBlock): boolean;
  /** Sees what other processes have stored and removed. */
  refresh(): void;
  /** How many more bytes would be taken now. */
  room(): number;
  /** Undefined, or resolves when some of the many blocks that wait are stored. */
  congestion(): Promise<unknown> | undefined;
  /** Resolves when all that was taken is stored, or let go. */
  settled(): Promise<void>;
  /** A block in a segment is not what its record says. */
  reportWrong(segment: Segment, slot: number): void;
  /** A segment cannot be read. */
  reportUnreadable(segment: Segment, error: unknown): void;
}

export interface WaitingBlock {
  /** Blocks that are written together are written in this order. */
  readonly number: number;
  readonly digest: Buffer;
  readonly bytes: Buffer;
  /** It can be read from its segment now, or will not be. */
  readonly onSettled: () => void;
}

/** Blocks in memory that were fetched, for when they cannot be stored. */
const FETCHED_BYTES = 8 * 1024 * 1024;
/** Blocks in memory that were read in part just now. So few that the processor's cache holds them. */
const PARTLY_READ_BYTES = 1024 * 1024;
const MIN_PARTLY_READ = 4;
/**
 * Memory for reads that is kept while there are none: for eight of 1 MiB, which clients that read ahead have under way.
 * With half of it, every second READ took new memory, and the collector of garbage as much time as reading.
 */
const FREE_BYTES = 8 * 1024 * 1024;
/** More than this is read beside as long as the disk is slow: it would hold everybody up. */
const SYNC_BYTES = 192 * 1024;
/** Slower than this it comes from the disk, and not from the system's memory; in bytes a millisecond. */
const MEMORY_SPEED = 512 * 1024;
/** How long the disk counts as slow then. */
const SLOW_MS = 1_000;

/** A block, and the memory that it stands in. */
interface LentBlock {
  readonly bytes: Uint8Array;
  readonly loan: Loan;
}

/** Blocks that lie one after the other in a segment. */
interface Stretch {
  readonly segment: Segment;
  readonly offset: number;
  readonly first: number;
  count: number;
  length: number;
}

/**
 * The blocks of one image in a cache: a few columns by the number of the block say where each is. What
 * comes from the disk is compared with its digest each time: no byte goes on that was not proven since
 * it was read.
 */
export class CachedImage {
  readonly image: Image;
  readonly #segments: OpenSegments;
  readonly #store: BlockStore;
  readonly #table: DigestTable;
  /** The first block with the same bytes, by number. */
  readonly #same: Uint32Array;
  /** By number, of first blocks alone: handle of the segment or 0, place in it, and record. */
  readonly #segmentOf: Uint32Array;
  readonly #offsetOf: Uint32Array;
  readonly #slotOf: Uint32Array;
  /** Until then much is read beside. */
  #slowUntil = 0;
  /** On their way to a segment. */
  readonly #waiting = new Map<number, Buffer>();
  readonly #pool = new BufferPool(FREE_BYTES);
  readonly #fetched = new LRUCache<number, Buffer>({
    maxSize: FETCHED_BYTES,
    sizeCalculation: ({ length }) => length,
  });
  readonly #partlyRead: LRUCache<number, LentBlock>;

  constructor(image: Image, segments: OpenSegments, store: BlockStore) {
    this.image = image;
    this.#segments = segments;
    this.#store = store;
    const count = image.blockCount;
    const digests = image.digests(0, count);
    this.#table = new DigestTable(digests);
    this.#same = this.#table.firsts();
    this.#partlyRead = new LRUCache({
      maxSize: Math.max(PARTLY_READ_BYTES, MIN_PARTLY_READ * image.blockSize),
      sizeCalculation: ({ loan }) => loan.bytes.length,
      dispose: ({ loan }) => loan.release(),
    });
    this.#segmentOf = new Uint32Array(count);
    this.#offsetOf = new Uint32Array(count);
    this.#slotOf = new Uint32Array(count);
  }

  /** A segment has this block: of several places the last one counts. */
  note(segment: Segment, { words, at, slot, offset, flag }: ScannedRecord): void {
    if (flag === Flag.wrong) return;
    const number = this.#table.indexOf(words, at);
    if (number < 0) return;
    this.#segmentOf[number] = segment.handle;
    this.#offsetOf[number] = offset;
    this.#slotOf[number] = slot;
  }

  /** The first block with the same bytes: what is done for one is done for the other. */
  firstEqual(number: number): number {
    return this.#same[number] ?? number;
  }

  /** Whether the block is here, as far as is known without reading it. */
  has(number: number): boolean {
    const first = this.#same[number] ?? number;
    return (
      this.#segments.has(this.#segmentOf[first] ?? 0) ||
      this.#waiting.has(first) ||
      this.#fetched.has(first) ||
      this.#partlyRead.has(first)
    );
  }

  /**
   * Reads what {@link has} has, in pieces that must not be changed; a lot of it from a slow disk is
   * read beside, and promised. The pieces are valid until `reply` ends; without one they stay.
   *
   * @returns undefined when one of the blocks is not here, or not any more.
   */
  read(
    span: BlockSpan,
    reply?: ReplyLifetime,
  ): readonly Uint8Array[] | undefined | Promise<readonly Uint8Array[] | undefined> {
    const lent: Loan[] = [];
    const parts = this.#find(span, lent);
    if (parts === undefined) return undefined;
    let onDisk = 0;
    for (const part of parts) if (!(part instanceof Uint8Array)) onDisk += part.length;
    if (onDisk > SYNC_BYTES && performance.now() < this.#slowUntil)
      return this.#readBeside(span, parts, lent, reply);
    const pieces: Uint8Array[] = [];
    for (const part of parts) {
      if (part instanceof Uint8Array) pieces.push(part);
      else {
        const loan = this.#pool.take(part.length);
        lent.push(loan);
        const bytes = this.#readStretch(part, loan.bytes);
        if (bytes === undefined || !this.#take(span, part, bytes, loan, pieces)) return undefined;
      }
    }
    releaseAfter(reply, lent);
    return pieces;
  }

  /** Takes a block that was fetched and proven: it can be read at once, and is stored if it can be. */
  put(number: number, bytes: Buffer): void {
    if (this.has(number)) return;
    const first = this.#same[number] ?? number;
    const digest = this.image.digests(first, 1);
    const onSettled = (): void => void this.#waiting.delete(first);
    this.#fetched.set(first, bytes);
    if (this.#store.store({ number, digest, bytes, onSettled })) {
      this.#waiting.set(first, bytes);
    }
  }

  /** Sees what other processes have stored and removed. */
  refresh(): void {
    this.#store.refresh();
  }

  /** How many more bytes would be stored now, and not only remembered for a while: 0 when that fails. */
  get room(): number {
    return this.#store.room();
  }

  /**
   * Undefined, or resolves when some of the many blocks that wait to be stored are: whoever brings more
   * before that risks that they are not.
   */
  get congestion(): Promise<unknown> | undefined {
    return this.#store.congestion();
  }

  /** Resolves when all that was put by now is stored, or let go. */
  async settled(): Promise<void> {
    await this.#store.settled();
  }

  /** How many of the image's blocks are on the disk; equal ones count each. */
  countStored(): number {
    let count = 0;
    for (const first of this.#same) if (this.#segments.has(this.#segmentOf[first] ?? 0)) count += 1;
    return count;
  }

  /** In the order of the file: pieces that are in memory, and stretches that are on disk. */
  #find(
    { number, count, lastLength, from, to }: BlockSpan,
    lent: Loan[],
  ): (Uint8Array | Stretch)[] | undefined {
    const { blockSize } = this.image;
    const parts: (Uint8Array | Stretch)[] = [];
    let stretch: Stretch | undefined;
    for (let index = 0; index < count; index += 1) {
      const first = this.#same[number + index] ?? 0;
      const length = index === count - 1 ? lastLength : blockSize;
      const begin = index * blockSize;
      const partlyRead = this.#partlyRead.get(first);
      const inMemory = partlyRead?.bytes ?? this.#waiting.get(first) ?? this.#fetched.get(first);
      if (inMemory !== undefined) {
        if (partlyRead !== undefined) {
          partlyRead.loan.hold();
          lent.push(partlyRead.loan);
        }
        parts.push(inMemory.subarray(Math.max(0, from - begin), Math.min(length, to - begin)));
        stretch = undefined;
        continue;
      }
      const segment = this.#segments.get(this.#segmentOf[first] ?? 0);
      if (segment === undefined) return undefined;
      const offset = this.#offsetOf[first] ?? 0;
      if (stretch?.segment === segment && stretch.offset + stretch.length === offset) {
        stretch.count += 1;
        stretch.length += length;
      } else {
        stretch = { segment, offset, first: index, count: 1, length };
        parts.push(stretch);
      }
    }
    return parts;
  }

  async #readBeside(
    span: BlockSpan,
    parts: readonly (Uint8Array | Stretch)[],
    lent: Loan[],
    reply: ReplyLifetime | undefined,
  ): Promise<readonly Uint8Array[] | undefined> {
    const all = await Promise.all(
      parts.map(async (part) => {
        if (part instanceof Uint8Array) return { bytes: part, loan: undefined };
        const loan = this.#pool.take(part.length);
        const bytes = loan.bytes.subarray(0, part.length);
        try {
          const got = await part.segment.read(bytes, part.offset);
          return { bytes: bytes.subarray(0, got), loan };
        } catch (error) {
          this.#store.reportUnreadable(part.segment, error);
          return undefined;
        }
      }),
    );
    const pieces: Uint8Array[] = [];
    let areRight = true;
    for (const [index, read] of all.entries()) {
      const part = parts[index];
      if (read === undefined || part === undefined) return undefined;
      const { bytes, loan } = read;
      if (loan !== undefined) lent.push(loan);
      if (part instanceof Uint8Array) pieces.push(part);
      // All that is wrong is found now.
      else areRight = this.#take(span, part, bytes, loan, pieces) && areRight;
    }
    // Not before: a reply that ended already gives back at once what was just read into.
    releaseAfter(reply, lent);
    return areRight ? pieces : undefined;
  }

  /** @returns what there is of it, in the memory that was given. */
  #readStretch({ segment, offset, length }: Stretch, memory: Buffer): Buffer | undefined {
    const bytes = memory.subarray(0, length);
    if (length <= SYNC_BYTES) return this.#readFrom(segment, offset, bytes);
    const before = readFromDisks();
    const started = performance.now();
    const read = this.#readFrom(segment, offset, bytes);
    const ended = performance.now();
    // What is slow otherwise waited for a processor.
    if (ended - started > length / MEMORY_SPEED && readFromDisks() > before)
      this.#slowUntil = ended + SLOW_MS;
    return read;
  }

  #readFrom(segment: Segment, offset: number, bytes: Buffer): Buffer | undefined {
    try {
      return bytes.subarray(0, segment.readSync(bytes, offset));
    } catch (error) {
      this.#store.reportUnreadable(segment, error);
      return undefined;
    }
  }

  /** Compares blocks with their digests, and adds what is wanted of them to the pieces. */
  #take(
    { number, count, lastLength, from, to }: BlockSpan,
    stretch: Stretch,
    bytes: Uint8Array,
    loan: Loan | undefined,
    pieces: Uint8Array[],
  ): boolean {
    const { blockSize } = this.image;
    let areRight = true;
    for (let index = 0; index < stretch.count; index += 1) {
      const inSpan = stretch.first + index;
      const first = this.#same[number + inSpan] ?? 0;
      const length = inSpan === count - 1 ? lastLength : blockSize;
      const block = bytes.subarray(index * blockSize, index * blockSize + length);
      if (!verifyBlock(this.image.digests(first, 1), block)) {
        this.#segmentOf[first] = 0;
        this.#store.reportWrong(stretch.segment, this.#slotOf[first] ?? 0);
        areRight = false;
        continue;
      }
      stretch.segment.markUsed(this.#slotOf[first] ?? 0);
      const begin = inSpan * blockSize;
      // The rest of it is wanted next, when a file is read in order by small reads.
      if (from > begin || to < begin + length) this.#remember(first, block, loan);
    }
    const begin = stretch.first * blockSize;
    pieces.push(bytes.subarray(Math.max(0, from - begin), Math.min(stretch.length, to - begin)));
    return areRight;
  }

  #remember(first: number, block: Uint8Array, loan: Loan | undefined): void {
    if (loan !== undefined && loan.bytes.length <= 2 * block.length) {
      loan.hold();
      this.#partlyRead.set(first, { bytes: block, loan });
      return;
    }
    // A part of much more would keep all of it.
    const own = this.#pool.take(block.length);
    own.bytes.set(block);
    this.#partlyRead.set(first, { bytes: own.bytes.subarray(0, block.length), loan: own });
  }
}

/** Blocks that this process had to wait for a disk for, so far. */
function readFromDisks(): number {
  return process.resourceUsage().fsRead;
}

/** Without a reply nobody says when they are not needed: then they are not used again. */
function releaseAfter(reply: ReplyLifetime | undefined, lent: readonly Loan[]): void {
  if (reply !== undefined) for (const loan of lent) reply.onEnd(() => loan.release());
}
