import type { Image } from '@rowfs/image';
import type { ReplyLifetime } from '@rowfs/oncrpc';
import type { BlockSpan, CachedImage } from '../block-cache/cached-image.ts';
import type { FileContents } from '../image-view/file-contents.ts';
import { onTime } from '../on-time.ts';
import type { BlockFetcher, Urgency } from './block-fetcher.ts';
import { DirectoryAhead, type FetchedAhead } from './directory-ahead.ts';
import { FileBlocks, type FilePart } from './file-blocks.ts';
import { ReadAhead } from './read-ahead.ts';

/** What became of the blocks that were read. */
export interface BlockReaderStatistics {
  /** Reads that were answered from the cache, and those for which something had to be fetched. */
  readonly hits: number;
  readonly misses: number;
  /** Blocks that were fetched, and their bytes. */
  readonly fetchedBlocks: number;
  readonly fetchedBytes: number;
  /** Blocks that could not be fetched. */
  readonly failedBlocks: number;
}

export interface PrefetchResult {
  /** Blocks that were here already, those that were fetched, and those that nobody had. */
  readonly present: number;
  readonly fetched: number;
  readonly failed: number;
}

type Pieces = readonly Uint8Array[];

interface BlockUnderWay {
  readonly number: number;
  readonly block: Promise<Buffer>;
}

interface SpanRead {
  readonly pieces: Pieces;
  /** Why there are no more. */
  readonly failure: Error | undefined;
}

const ZEROS = Buffer.alloc(1024 * 1024);
/** What read-ahead and prefetching have on its way at most, in bytes. */
const MAX_AHEAD_BYTES = 16 * 1024 * 1024;
const MAX_PREFETCH_BYTES = 16 * 1024 * 1024;
/** The same when blocks cannot be stored: what is fetched must be read before it is forgotten. */
const MAX_UNSTORED_AHEAD_BYTES = 2 * 1024 * 1024;

/** How long a block that is here is held back, when the disk is slower than the link and has too much to do. */
const MAX_CONGESTION_MS = 250;

/**
 * The contents of an image's files: from the cache when it has them, and otherwise fetched, once, and
 * stored. Blocks that are zero cost nothing.
 */
export class BlockReader implements FileContents {
  readonly #image: Image;
  readonly #cached: CachedImage;
  readonly #fetcher: BlockFetcher;
  readonly #files: FileBlocks;
  readonly #readAhead: ReadAhead;
  readonly #directoryAhead: DirectoryAhead;
  /** By the number of the first block with the same bytes. */
  readonly #inFlight = new Map<number, BlockUnderWay>();
  #hits = 0;
  #misses = 0;
  #fetchedBlocks = 0;
  #fetchedBytes = 0;
  #failedBlocks = 0;

  constructor(cached: CachedImage, fetcher: BlockFetcher) {
    this.#image = cached.image;
    this.#cached = cached;
    this.#fetcher = fetcher;
    this.#files = new FileBlocks(this.#image);
    this.#readAhead = new ReadAhead(
      this.#image,
      (first, end) => this.#fetchAhead(first, end, 'read-ahead').end,
    );
    this.#directoryAhead = new DirectoryAhead(this.#image, {
      fetch: (first, end) => this.#fetchAhead(first, end, 'prefetch'),
      expect: (fileid) => this.#fetcher.expect(fileid),
    });
  }

  read(
    fileid: number,
    offset: number,
    count: number,
    signal: AbortSignal,
    reply?: ReplyLifetime,
  ): Pieces | Promise<Pieces> {
    const parts = this.#files.parts(fileid, offset, count);
    const atOnce = this.#readCached(parts, reply);
    if (atOnce === undefined) this.#misses += 1;
    else this.#hits += 1;
    const pieces = atOnce ?? this.#readFetched(parts, reply);
    this.#note(fileid, parts, atOnce === undefined);
    if (!(pieces instanceof Promise)) return pieces;
    return onTime(pieces, signal);
  }

  statistics(): BlockReaderStatistics {
    return {
      hits: this.#hits,
      misses: this.#misses,
      fetchedBlocks: this.#fetchedBlocks,
      fetchedBytes: this.#fetchedBytes,
      failedBlocks: this.#failedBlocks,
    };
  }

  /**
   * Brings blocks to the cache in the order of their numbers here, while everything else goes first.
   * Ends early when the signal says so.
   *
   * @param onProgress is told how many of them are done.
   */
  async prefetch(
    numbers: Iterable<number>,
    { signal, onProgress }: { signal: AbortSignal; onProgress?: (done: number) => void },
  ): Promise<PrefetchResult> {
    const result = { present: 0, fetched: 0, failed: 0 };
    const underWay = new Set<Promise<void>>();
    const maxUnderWay = Math.ceil(MAX_PREFETCH_BYTES / this.#image.blockSize);
    const done = (what: keyof typeof result): void => {
      result[what] += 1;
      onProgress?.(result.present + result.fetched + result.failed);
    };
    this.#cached.refresh();
    for (const number of numbers) {
      if (signal.aborted) break;
      if (this.#cached.has(number)) {
        done('present');
        continue;
      }
      const fetching: Promise<void> = this.#fetch(number, 'prefetch').then(
        () => done('fetched'),
        () => done('failed'),
      );
      const tracked = fetching.finally(() => underWay.delete(tracked));
      underWay.add(tracked);
      if (underWay.size >= maxUnderWay) await unlessAborted(Promise.race(underWay), signal);
      await this.#untilStored(signal);
    }
    await unlessAborted(Promise.all(underWay), signal);
    return result;
  }

  /** Nobody waits for what is prefetched: it is for the disk, which may be slower than the link. */
  async #untilStored(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { congestion } = this.#cached;
      if (congestion === undefined) return;
      await unlessAborted(congestion, signal);
    }
  }

  /** Undefined when something has to be fetched. */
  #readCached(
    parts: readonly FilePart[],
    reply: ReplyLifetime | undefined,
  ): Pieces | Promise<Pieces> | undefined {
    const pieces: Uint8Array[] = [];
    const beside: Promise<Pieces | undefined>[] = [];
    for (const part of parts) {
      if ('zeros' in part) {
        addZeros(pieces, part.zeros);
        continue;
      }
      const found = this.#cached.read(part, reply);
      if (found === undefined) return undefined;
      if (parts.length === 1 && !(found instanceof Promise)) return found;
      if (found instanceof Promise) beside.push(Promise.resolve(pieces.splice(0)), found);
      else pieces.push(...found);
    }
    return beside.length === 0
      ? pieces
      : this.#readBeside(parts, [...beside, Promise.resolve(pieces)], reply);
  }

  async #readBeside(
    parts: readonly FilePart[],
    beside: readonly Promise<Pieces | undefined>[],
    reply: ReplyLifetime | undefined,
  ): Promise<Pieces> {
    const found = await Promise.all(beside);
    const pieces: Uint8Array[] = [];
    for (const each of found) {
      if (each === undefined) return this.#readFetched(parts, reply);
      pieces.push(...each);
    }
    return pieces;
  }

  async #readFetched(
    parts: readonly FilePart[],
    reply: ReplyLifetime | undefined,
  ): Promise<Pieces> {
    // What another process has fetched meanwhile need not be fetched again.
    this.#cached.refresh();
    const reads = parts.map((part) => ('zeros' in part ? part : this.#readSpan(part, reply)));
    const pieces: Uint8Array[] = [];
    for (const each of reads) {
      if ('zeros' in each) {
        addZeros(pieces, each.zeros);
        continue;
      }
      const { pieces: found, failure } = await each;
      pieces.push(...found);
      if (failure === undefined) continue;
      // Whoever reads on, from there, is told why not.
      if (pieces.length > 0) break;
      throw failure;
    }
    return pieces;
  }

  /** As far as its blocks can be had. */
  async #readSpan(span: BlockSpan, reply: ReplyLifetime | undefined): Promise<SpanRead> {
    const inHand = new Map<number, Buffer>();
    for (;;) {
      const missing: number[] = [];
      for (let number = span.number; number < span.number + span.count; number += 1)
        if (!inHand.has(number) && !this.#cached.has(number)) missing.push(number);
      const failed = await this.#fetchInto(inHand, missing);
      const had = failed === undefined ? span : this.#before(span, failed.number);
      const pieces = had.count === 0 ? [] : await this.#assemble(had, inHand, reply);
      // Otherwise what was here proved wrong, or was removed, and is not here any more.
      if (pieces !== undefined) return { pieces, failure: failed?.failure };
    }
  }

  /** All at once. @returns the first in their order that cannot be had, and why; those behind it are not waited for. */
  async #fetchInto(
    inHand: Map<number, Buffer>,
    missing: readonly number[],
  ): Promise<{ readonly number: number; readonly failure: Error } | undefined> {
    const fetched = missing.map((number) => ({
      number,
      block: settled(this.#fetch(number, 'demand')),
    }));
    for (const { number, block } of fetched) {
      const bytes = await block;
      if (bytes instanceof Error) return { number, failure: bytes };
      inHand.set(number, bytes);
    }
    return undefined;
  }

  /** The blocks of a span that are before this one. */
  #before(span: BlockSpan, number: number): BlockSpan {
    const { blockSize } = this.#image;
    const count = number - span.number;
    return { ...span, count, lastLength: blockSize, to: count * blockSize };
  }

  /** Blocks in hand, and between them those from the cache. */
  async #assemble(
    span: BlockSpan,
    inHand: ReadonlyMap<number, Buffer>,
    reply: ReplyLifetime | undefined,
  ): Promise<Pieces | undefined> {
    const { blockSize } = this.#image;
    const pieces: Uint8Array[] = [];
    for (let index = 0; index < span.count;) {
      const bytes = inHand.get(span.number + index);
      const begin = index * blockSize;
      if (bytes !== undefined) {
        pieces.push(bytes.subarray(Math.max(0, span.from - begin), span.to - begin));
        index += 1;
        continue;
      }
      let end = index + 1;
      while (end < span.count && !inHand.has(span.number + end)) end += 1;
      const between: BlockSpan = {
        number: span.number + index,
        count: end - index,
        lastLength: end === span.count ? span.lastLength : blockSize,
        from: Math.max(0, span.from - begin),
        to: Math.min(span.to - begin, (end - index) * blockSize),
      };
      const found = await this.#cached.read(between, reply);
      if (found === undefined) return undefined;
      pieces.push(...found);
      index = end;
    }
    return pieces;
  }

  #fetch(number: number, urgency: Urgency): Promise<Buffer> {
    const underWay = this.#inFlight.get(this.#cached.firstEqual(number));
    if (underWay === undefined) return this.#begin(number, urgency);
    // Asked again, so that the fetcher knows how urgent it has become.
    this.#fetcher.fetch(underWay.number, urgency).catch(() => undefined);
    if (underWay.number === number) return underWay.block;
    // The same bytes, but of another file, which may be the only one that is damaged.
    return underWay.block.catch(() => this.#fetch(number, urgency));
  }

  #begin(number: number, urgency: Urgency): Promise<Buffer> {
    const first = this.#cached.firstEqual(number);
    const block = this.#fetcher.fetch(number, urgency).then(
      async (bytes) => {
        this.#inFlight.delete(first);
        this.#fetchedBlocks += 1;
        this.#fetchedBytes += bytes.length;
        this.#cached.put(number, bytes);
        const { congestion } = this.#cached;
        if (congestion !== undefined) await atMost(MAX_CONGESTION_MS, congestion);
        return bytes;
      },
      (error: unknown) => {
        this.#inFlight.delete(first);
        this.#failedBlocks += 1;
        throw error;
      },
    );
    this.#inFlight.set(first, { number, block });
    return block;
  }

  #fetchAhead(first: number, end: number, urgency: Urgency): FetchedAhead {
    const { blockSize } = this.#image;
    let bytes = 0;
    const { room, congestion } = this.#cached;
    // The disk does not keep up: what came now would have to be fetched again.
    if (congestion !== undefined) return { end: first, bytes };
    const maxBytes = room > 0 ? MAX_AHEAD_BYTES : MAX_UNSTORED_AHEAD_BYTES;
    for (let number = first; number < end; number += 1) {
      if (this.#cached.has(number) || this.#inFlight.has(this.#cached.firstEqual(number))) continue;
      if (this.#inFlight.size * blockSize >= maxBytes) return { end: number, bytes };
      bytes += this.#image.storedBlock(number).length;
      // Whoever reads it asks again, and is told why not.
      this.#fetch(number, urgency).catch(() => undefined);
    }
    return { end, bytes };
  }

  #note(fileid: number, parts: readonly FilePart[], isLate: boolean): void {
    let first: number | undefined;
    let end = 0;
    for (const part of parts) {
      if ('zeros' in part) continue;
      first ??= part.number;
      end = part.number + part.count;
    }
    if (first === undefined) return;
    const read = { first, end, file: this.#files.range(fileid), isLate };
    this.#readAhead.onRead(read);
    this.#directoryAhead.onRead(fileid, read);
  }
}

function addZeros(pieces: Uint8Array[], count: number): void {
  for (let left = count; left > 0; left -= ZEROS.length)
    pieces.push(ZEROS.subarray(0, Math.min(left, ZEROS.length)));
}

/** What it failed with is what it brings: it may be looked at later, or never. */
function settled<T>(promise: Promise<T>): Promise<T | Error> {
  return promise.catch((error: unknown) =>
    error instanceof Error ? error : new Error(String(error)),
  );
}

/** Resolves when the promise does, but after `ms` at the latest. */
async function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([promise, late]);
  clearTimeout(timer);
}

/** Resolves when the promise does, or the signal fires. */
async function unlessAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  await onTime(promise, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
