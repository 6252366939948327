import { statSync } from 'node:fs';
import type { Logger } from 'pino';
import { CacheError } from './cache-error.ts';
import type { CacheDirectory } from './cache-directory.ts';
import { type ScannedRecord, Segment } from './segment.ts';

/** Times of a directory are as coarse as this: what changed just before it was read may change again unseen. */
const CLOCK_TICK_MS = 50;

/** The segments of a cache that this process has open: all that it knows of. */
export class OpenSegments {
  readonly #directory: CacheDirectory;
  readonly #logger: Logger;
  readonly #onRecord: (segment: Segment, record: ScannedRecord) => void;
  readonly #byName = new Map<string, Segment>();
  readonly #byHandle = new Map<number, Segment>();
  /** Those that may get more records. */
  readonly #growing = new Set<Segment>();
  readonly #unusable = new Set<string>();
  #lastHandle = 0;
  #listedAt = 0;
  #changedAt = 0;

  /** @param onRecord hears of each record, once. */
  constructor(
    directory: CacheDirectory,
    logger: Logger,
    onRecord: (segment: Segment, record: ScannedRecord) => void,
  ) {
    this.#directory = directory;
    this.#logger = logger;
    this.#onRecord = onRecord;
  }

  has(handle: number): boolean {
    return this.#byHandle.has(handle);
  }

  /** Undefined for one that was removed. */
  get(handle: number): Segment | undefined {
    return this.#byHandle.get(handle);
  }

  /** The oldest first. */
  all(): Segment[] {
    return [...this.#byName.keys()].sort().flatMap((name) => this.#byName.get(name) ?? []);
  }

  /** Sees what other processes did: segments that came and went, and records. */
  refresh(): void {
    try {
      this.#list();
      for (const segment of this.#growing) this.scan(segment);
    } catch (error) {
      this.#logger.debug({ err: error }, 'cannot look into the block cache');
    }
  }

  /** Tells of records that came to it. */
  scan(segment: Segment): void {
    for (const record of segment.scanNew()) this.#onRecord(segment, record);
    if (segment.isSealed) this.#growing.delete(segment);
  }

  /** @throws CacheError NOT_A_SEGMENT, or what the file system says. */
  open(name: string): Segment {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    this.#lastHandle += 1;
    const segment = new Segment(this.#lastHandle, name, this.#directory.path);
    this.#byName.set(name, segment);
    this.#byHandle.set(segment.handle, segment);
    this.#growing.add(segment);
    return segment;
  }

  /** One that cannot be read is not opened again. */
  giveUp(segment: Segment): void {
    this.#unusable.add(segment.name);
    this.forget(segment);
  }

  /** A segment that was removed counts no more. */
  forget(segment: Segment): void {
    this.#byName.delete(segment.name);
    this.#byHandle.delete(segment.handle);
    this.#growing.delete(segment);
    segment.close();
  }

  writeMarks(): void {
    for (const segment of this.#byName.values()) segment.writeMarks();
  }

  close(): void {
    for (const segment of this.all()) this.forget(segment);
  }

  #list(): void {
    const { mtimeMs } = statSync(this.#directory.path);
    if (mtimeMs === this.#changedAt && this.#listedAt - mtimeMs > CLOCK_TICK_MS) return;
    this.#changedAt = mtimeMs;
    this.#listedAt = Date.now();
    const names = this.#directory.segmentNames();
    const there = new Set(names);
    for (const segment of this.all()) if (!there.has(segment.name)) this.forget(segment);
    for (const name of names) if (!this.#byName.has(name)) this.#openFound(name);
  }

  #openFound(name: string): void {
    if (this.#unusable.has(name)) return;
    try {
      const segment = this.open(name);
      // Until there is a record: most segments get no more, and are not asked again.
      this.scan(segment);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      // One that is just being begun has no header yet.
      if (!(error instanceof CacheError)) this.#unusable.add(name);
      this.#logger.debug({ err: error, segment: name }, 'a segment of the block cache is unusable');
    }
  }
}
