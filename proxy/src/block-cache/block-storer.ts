import type { Logger } from 'pino';
import { CacheError } from './cache-error.ts';
import type { WaitingBlock } from './cached-image.ts';
import type { OpenSegments } from './open-segments.ts';
import type { SegmentSupply } from './segment-supply.ts';
import type { BlockToStore, SegmentWriter } from './segment-writer.ts';

/** Blocks that wait in memory for the disk, from when on whoever brings more should wait, and that go to it at once. */
const MAX_WAITING_BYTES = 48 * 1024 * 1024;
const MANY_WAITING_BYTES = 16 * 1024 * 1024;
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** After a failure nothing is stored for a while, which doubles from one failure to the next. */
const FIRST_PAUSE_MS = 1_000;
const LAST_PAUSE_MS = 60_000;

/**
 * Brings blocks to segments, in the background, one batch after the other. When that fails blocks are
 * let go: whoever fetched them has them.
 */
export class BlockStorer {
  readonly #segments: OpenSegments;
  readonly #supply: SegmentSupply;
  readonly #logger: Logger;
  #queue: WaitingBlock[] = [];
  #waitingBytes = 0;
  #isStoring = false;
  /** What was begun, one after the other; never rejected. */
  #work: Promise<void> = Promise.resolve();
  /** Resolved at the end of the next batch. */
  #progress = Promise.withResolvers<undefined>();
  #writer: SegmentWriter | undefined;
  #pausedUntil = 0;
  #pauseMs = 0;
  #isClosed = false;

  constructor(segments: OpenSegments, supply: SegmentSupply, logger: Logger) {
    this.#segments = segments;
    this.#supply = supply;
    this.#logger = logger;
  }

  /** Bytes that would be taken now: none for a while after storing failed. */
  get room(): number {
    return this.#isClosed || this.#isPaused ? 0 : MAX_WAITING_BYTES - this.#waitingBytes;
  }

  /** @returns false when the block is not taken: too many wait, or nothing can be stored now. */
  store(block: WaitingBlock): boolean {
    const { length } = block.bytes;
    if (this.room < length) return false;
    this.#waitingBytes += length;
    this.#queue.push(block);
    if (!this.#isStoring) {
      this.#isStoring = true;
      this.#work = this.#work.then(() => this.#storeQueue());
    }
    return true;
  }

  /** Undefined, or resolves when some of the many blocks that wait are stored. */
  get congestion(): Promise<unknown> | undefined {
    return this.#waitingBytes > MANY_WAITING_BYTES ? this.#progress.promise : undefined;
  }

  /** Resolves when all that was taken by now is stored, or let go. */
  async settled(): Promise<void> {
    await this.#work;
  }

  /**
   * Removes the oldest segments until all take no more than `maxBytes`; what is pinned stays.
   *
   * @throws CacheError CACHE_BUSY, or what the disk says.
   */
  async shrinkTo(maxBytes: number): Promise<void> {
    const done = this.#work.then(async () => {
      // Its own segment may go, too.
      this.#writer?.close();
      this.#writer = undefined;
      await this.#supply.shrinkTo(maxBytes, (blocks) => this.#copy(blocks));
    });
    this.#work = done.catch(() => undefined);
    await done;
  }

  /** What waits is stored first. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.settled();
    this.#writer?.close();
    this.#writer = undefined;
  }

  get #isPaused(): boolean {
    return performance.now() < this.#pausedUntil;
  }

  async #storeQueue(): Promise<void> {
    // What comes in the same turn of the event loop goes together.
    await new Promise(setImmediate);
    while (this.#queue.length > 0) {
      await this.#storeBatch(this.#takeBatch());
      this.#progress.resolve(undefined);
      this.#progress = Promise.withResolvers();
    }
    this.#isStoring = false;
  }

  /** Never rejected. */
  async #storeBatch(batch: readonly WaitingBlock[]): Promise<void> {
    try {
      if (!this.#isPaused) await this.#store(batch);
    } catch (error) {
      this.#pause(error);
    }
    for (const { bytes, onSettled } of batch) {
      this.#waitingBytes -= bytes.length;
      onSettled();
    }
  }

  /** In whatever order they came: what lies in order in a file does so in a segment. */
  #takeBatch(): WaitingBlock[] {
    this.#queue.sort((a, b) => a.number - b.number);
    let length = 0;
    const end = this.#queue.findIndex(({ bytes }) => (length += bytes.length) > MAX_BATCH_BYTES);
    return this.#queue.splice(0, end === -1 ? this.#queue.length : Math.max(end, 1));
  }

  async #store(blocks: readonly BlockToStore[]): Promise<void> {
    await this.#supply.checkDisk(blocks.reduce((sum, { bytes }) => sum + bytes.length, 0));
    const append = (writer: SegmentWriter, some: readonly BlockToStore[]): Promise<void> =>
      writer.append(some);
    await this.#write(blocks, () => this.#acquire(), append);
    if (this.#pauseMs > 0) this.#logger.info('the block cache stores blocks again');
    this.#pauseMs = 0;
  }

  /** @throws what the disk says. */
  async #write(
    blocks: readonly BlockToStore[],
    acquire: () => Promise<SegmentWriter> | SegmentWriter,
    append: (writer: SegmentWriter, some: readonly BlockToStore[]) => Promise<void>,
  ): Promise<void> {
    for (let done = 0; done < blocks.length;) {
      const writer = this.#writer ?? (await acquire());
      this.#writer = writer;
      const rest = blocks.slice(done);
      const count = writer.roomFor(rest);
      if (count === 0 && writer.isEmpty)
        throw new CacheError('CACHE_FULL', 'a block is larger than a segment may be');
      await append(writer, rest.slice(0, count));
      this.#segments.scan(writer.segment);
      done += count;
      if (count === rest.length) return;
      this.#writer = undefined;
      await writer.seal();
    }
  }

  async #acquire(): Promise<SegmentWriter> {
    const adopted = this.#supply.adopt();
    if (adopted === undefined) await this.#supply.checkRoomForOne();
    // From now on it counts as full, whatever was in it.
    this.#writer = adopted ?? this.#supply.begin();
    await this.#supply.leaveRoomForOne((blocks) => this.#copy(blocks));
    // Copies may have filled it, and begun another one.
    return this.#writer;
  }

  /** Of a segment that goes what is to stay. */
  async #copy(blocks: readonly BlockToStore[]): Promise<void> {
    const append = (writer: SegmentWriter, some: readonly BlockToStore[]): Promise<void> =>
      writer.appendDurably(some);
    await this.#write(blocks, () => this.#supply.begin(), append);
  }

  #pause(error: unknown): void {
    this.#writer?.close();
    this.#writer = undefined;
    if (this.#pauseMs === 0) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#logger.warn({ err: error }, `the block cache stores nothing for now: ${reason}`);
    }
    this.#pauseMs = Math.min(Math.max(FIRST_PAUSE_MS, this.#pauseMs * 2), LAST_PAUSE_MS);
    this.#pausedUntil = performance.now() + this.#pauseMs;
  }
}
