import { mkdir } from 'node:fs/promises';
import type { Image } from '@rowfs/image';
import type { Logger } from 'pino';
import { BlockStorer } from './block-storer.ts';
import { CacheDirectory } from './cache-directory.ts';
import { CachedImage } from './cached-image.ts';
import { OpenSegments } from './open-segments.ts';
import type { Segment } from './segment.ts';
import { Flag } from './segment-format.ts';
import { SegmentSupply } from './segment-supply.ts';
import { type CacheLimits, limitsFor } from './space.ts';

export interface BlockCacheOptions extends CacheLimits {
  /** Made when it is missing; processes of one machine may share it. */
  readonly directory: string;
  readonly logger: Logger;
}

/** What is in a cache, whoever stored it. */
export interface CacheUsage {
  /** That segments take of the disk. */
  readonly bytes: number;
  readonly segments: number;
  readonly blocks: number;
  /** Blocks that were read since they were stored. */
  readonly usedBlocks: number;
}

/** What others did is looked for at a miss, and otherwise as often as this. */
const TEND_MS = 10_000;

/**
 * Blocks of images on the local disk, by their digests: what two versions or two appliances have in
 * common is there once. docs/cache.md tells how it is kept, and what may be lost.
 *
 * Nothing that fails here fails a session: what cannot be stored is not there, and what cannot be
 * read, or is wrong, neither.
 */
export class BlockCache {
  readonly #directory: CacheDirectory;
  readonly #segments: OpenSegments;
  readonly #storer: BlockStorer;
  readonly #logger: Logger;
  readonly #images = new Set<CachedImage>();
  readonly #timer: NodeJS.Timeout;
  #wrongBlocks = 0;

  private constructor(directory: CacheDirectory, limits: Required<CacheLimits>, logger: Logger) {
    this.#directory = directory;
    this.#logger = logger;
    this.#segments = new OpenSegments(directory, logger, (segment, record) => {
      for (const image of this.#images) image.note(segment, record);
    });
    const supply = new SegmentSupply(directory, this.#segments, limits);
    this.#storer = new BlockStorer(this.#segments, supply, logger);
    this.#timer = setInterval(() => {
      this.#segments.writeMarks();
      // A segment that was removed takes its space until everybody has closed it.
      this.#segments.refresh();
    }, TEND_MS).unref();
  }

  /** A directory that cannot be made or written is a cache that stores nothing. */
  static async open({ directory, logger, ...limits }: BlockCacheOptions): Promise<BlockCache> {
    await mkdir(directory, { recursive: true, mode: 0o700 }).catch(() => undefined);
    return new BlockCache(
      new CacheDirectory(directory),
      await limitsFor(directory, limits),
      logger,
    );
  }

  get directory(): string {
    return this.#directory.path;
  }

  /** Blocks that were found wrong, and dropped. */
  get wrongBlocks(): number {
    return this.#wrongBlocks;
  }

  /** Finds out which blocks of the image are here. */
  attach(image: Image): CachedImage {
    const attached = new CachedImage(image, this.#segments, {
      store: (block) => this.#storer.store(block),
      refresh: () => this.refresh(),
      room: () => this.#storer.room,
      congestion: () => this.#storer.congestion,
      settled: () => this.settled(),
      reportWrong: (segment, slot) => this.#dropBlock(segment, slot),
      reportUnreadable: (segment, error) => this.#dropSegment(segment, error),
    });
    for (const segment of this.#segments.all())
      for (const record of segment.scanAll()) attached.note(segment, record);
    this.#images.add(attached);
    this.refresh();
    return attached;
  }

  detach(image: CachedImage): void {
    this.#images.delete(image);
  }

  /** Sees what other processes have stored and removed. */
  refresh(): void {
    this.#segments.refresh();
  }

  /** Looks through all of it. @throws what the file system says. */
  usage(): CacheUsage {
    this.refresh();
    const files = this.#directory.segments();
    let blocks = 0;
    let usedBlocks = 0;
    for (const segment of this.#segments.all()) {
      for (const { flag } of segment.scanAll()) {
        if (flag !== Flag.wrong) blocks += 1;
        if (flag === Flag.used) usedBlocks += 1;
      }
    }
    return {
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      segments: files.length,
      blocks,
      usedBlocks,
    };
  }

  /** Whether blocks are stored at present: not for a while after that failed. */
  get isStoring(): boolean {
    return this.#storer.room > 0;
  }

  /** Resolves when all that was put by now is stored, or let go. */
  async settled(): Promise<void> {
    await this.#storer.settled();
  }

  /**
   * Removes the oldest blocks until all take no more than `maxBytes`. What is pinned stays, and what
   * other processes are writing to.
   *
   * @throws CacheError CACHE_BUSY, or what the disk says.
   */
  async prune(maxBytes: number): Promise<void> {
    await this.#storer.shrinkTo(maxBytes);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#storer.close();
    this.#segments.close();
  }

  #dropBlock(segment: Segment, slot: number): void {
    this.#wrongBlocks += 1;
    segment.markWrong(slot);
    this.#logger.warn(
      { segment: segment.name, slot },
      'a block in the cache is not what was stored, after a power cut or by a fault of the disk: it is fetched again',
    );
  }

  #dropSegment(segment: Segment, error: unknown): void {
    this.#logger.warn({ err: error, segment: segment.name }, 'a part of the cache cannot be read');
    this.#segments.giveUp(segment);
  }
}
