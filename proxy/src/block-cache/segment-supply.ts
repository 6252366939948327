import type { CacheDirectory } from './cache-directory.ts';
import { CacheError } from './cache-error.ts';
import { evict, totalCharge } from './eviction.ts';
import type { OpenSegments } from './open-segments.ts';
import { layoutFor } from './segment-format.ts';
import { type BlockToStore, SegmentWriter } from './segment-writer.ts';
import { type CacheLimits, freeBytes } from './space.ts';

type Append = (blocks: readonly BlockToStore[]) => Promise<void>;

/**
 * Sees to it that there is a segment to append to, and that all of them stay within the limits. One that
 * is being written counts as full, and room for one more is always left, so that what stays can be copied
 * before the rest goes.
 */
export class SegmentSupply {
  readonly #directory: CacheDirectory;
  readonly #segments: OpenSegments;
  readonly #limits: Required<CacheLimits>;

  constructor(directory: CacheDirectory, segments: OpenSegments, limits: Required<CacheLimits>) {
    this.#directory = directory;
    this.#segments = segments;
    this.#limits = limits;
  }

  /** One that another process, or an earlier one, left before it was full. */
  adopt(): SegmentWriter | undefined {
    for (const { name, isHeld } of this.#directory.segments()) {
      const release = isHeld ? undefined : this.#directory.lock(name);
      if (release === undefined) continue;
      const writer = this.#writerOf(name, release);
      if (writer !== undefined) return writer;
      release();
    }
    return undefined;
  }

  /** Whatever the limits are: for copies of what goes. @throws what the disk says. */
  begin(): SegmentWriter {
    const { name, release } = this.#directory.begin(layoutFor(this.#limits.segmentBytes));
    try {
      const segment = this.#segments.open(name);
      return new SegmentWriter(this.#directory, segment, { ...this.#limits, release });
    } catch (error) {
      release();
      throw error;
    }
  }

  /** @throws CacheError CACHE_FULL, CACHE_BUSY when there may be no further segment now. */
  async checkRoomForOne(): Promise<void> {
    const limit = (await this.#limit()) - this.#chargeOfOne;
    if (this.#charge() > limit) await this.#evict(limit, undefined);
    if (this.#charge() > limit)
      throw new CacheError('CACHE_FULL', 'what is there is pinned or in use, or it is too small');
  }

  /** Lets the oldest go until there is room for one more. @param append takes what stays. */
  async leaveRoomForOne(append: Append): Promise<void> {
    const limit = (await this.#limit()) - this.#chargeOfOne;
    try {
      if (this.#charge() > limit) await this.#evict(limit, append);
    } catch (error) {
      // The other process does it.
      if (!(error instanceof CacheError && error.code === 'CACHE_BUSY')) throw error;
    }
  }

  /** Gives way to what else is on the disk. @throws CacheError CACHE_FULL when there is not this much left. */
  async checkDisk(bytes: number): Promise<void> {
    const missing = bytes - (await this.#spareBytes());
    if (missing <= 0) return;
    await this.#evict(this.#charge() - missing, undefined);
    if ((await this.#spareBytes()) < bytes)
      throw new CacheError('CACHE_FULL', 'the disk is full, but for its reserve');
  }

  /** Only what is pinned, and what is being written, is left beyond `maxBytes`. */
  async shrinkTo(maxBytes: number, append: Append): Promise<void> {
    await this.#evict(maxBytes, append, false);
  }

  async #evict(
    maxBytes: number,
    append: Append | undefined,
    keepUsed = append !== undefined,
  ): Promise<void> {
    this.#segments.writeMarks();
    const directory = this.#directory;
    const { segmentBytes } = this.#limits;
    await evict({ directory, segmentBytes, maxBytes, keepUsed, append });
    this.#segments.refresh();
  }

  get #chargeOfOne(): number {
    const { segmentBytes } = this.#limits;
    return layoutFor(segmentBytes).blocks + segmentBytes;
  }

  #charge(): number {
    return totalCharge(this.#directory.segments(), this.#limits.segmentBytes);
  }

  /** What all segments may take together: less when others fill the disk. */
  async #limit(): Promise<number> {
    const taken = this.#directory.segments().reduce((sum, { bytes }) => sum + bytes, 0);
    return Math.min(this.#limits.maxBytes, taken + (await this.#spareBytes()));
  }

  async #spareBytes(): Promise<number> {
    return (await freeBytes(this.#directory.path)) - this.#limits.reserveBytes;
  }

  /** Undefined for a segment that gets no more, is gone or is none. */
  #writerOf(name: string, release: () => void): SegmentWriter | undefined {
    if (!this.#directory.has(name)) return undefined;
    try {
      const segment = this.#segments.open(name);
      this.#segments.scan(segment);
      if (segment.isSealed) return undefined;
      return new SegmentWriter(this.#directory, segment, { ...this.#limits, release });
    } catch (error) {
      if (error instanceof CacheError) return undefined;
      release();
      throw error;
    }
  }
}
