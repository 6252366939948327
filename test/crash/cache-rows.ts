import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { buildImage, type Image, lookupPath } from '@rowfs/image';
import { BlockCache, type CachedImage, pinImage, unpinImage } from '@rowfs/proxy';
import { Random } from '../support/random.ts';

const BLOCK_BYTES = 4096;
const BLOCKS = 40;
const SEGMENT_BYTES = 8 * BLOCK_BYTES;
/** For some four full segments. */
export const CACHE_BYTES = 5 * (SEGMENT_BYTES + 2 * BLOCK_BYTES);

/** An image, the bytes of its blocks by their numbers, and a small image with some of them. */
export interface CacheImages {
  readonly image: Image;
  readonly blocks: readonly Buffer[];
  readonly part: Image;
  /** Numbers of the blocks that the small image has, too. */
  readonly partNumbers: readonly number[];
}

/** The same in every process: made anew in a directory of its own. */
export async function makeCacheImages(directory: string): Promise<CacheImages> {
  const random = new Random(1);
  const bytes = Buffer.from(
    Array.from({ length: BLOCKS * BLOCK_BYTES - 77 }, () => random.below(256)),
  );
  const image = await imageOf(join(directory, 'whole'), bytes);
  const part = await imageOf(join(directory, 'part'), bytes.subarray(0, 3 * BLOCK_BYTES));
  const fileid = lookupPath(image, ['file']) ?? image.root;
  const blocks = image
    .blocks(fileid, 0, BLOCKS)
    .map(({ offset, length }) => bytes.subarray(offset, offset + length));
  return { image, blocks, part, partNumbers: [0, 1, 2] };
}

async function imageOf(tree: string, bytes: Buffer): Promise<Image> {
  await mkdir(tree, { recursive: true });
  await writeFile(join(tree, 'file'), bytes);
  // Part of the image's digest.
  for (const path of [join(tree, 'file'), tree]) await utimes(path, 1, 1);
  return (await buildImage(tree, { blockSize: BLOCK_BYTES })).image;
}

/** A cache under test, which is small. */
export class TestedCache {
  readonly cache: BlockCache;
  readonly cached: CachedImage;
  readonly images: CacheImages;

  static async open(directory: string, images: CacheImages): Promise<TestedCache> {
    const cache = await BlockCache.open({
      directory,
      maxBytes: CACHE_BYTES,
      reserveBytes: 0,
      segmentBytes: SEGMENT_BYTES,
      logger: pino({ level: 'silent' }),
    });
    return new TestedCache(cache, images);
  }

  private constructor(cache: BlockCache, images: CacheImages) {
    this.cache = cache;
    this.images = images;
    this.cached = cache.attach(images.image);
  }

  async put(from: number, count: number): Promise<void> {
    for (let number = from; number < from + count; number += 1) {
      const bytes = this.images.blocks[number];
      if (bytes !== undefined) this.cached.put(number, bytes);
    }
    await this.cache.settled();
  }

  /** What the cache gives for a block; undefined when it has none. */
  async read(number: number): Promise<Buffer | undefined> {
    const length = this.images.blocks[number]?.length ?? 0;
    const pieces = await this.cached.read({
      number,
      count: 1,
      lastLength: length,
      from: 0,
      to: length,
    });
    return pieces === undefined ? undefined : Buffer.concat(pieces);
  }

  pin(): Promise<unknown> {
    return pinImage(this.cache.directory, this.images.part, 'part');
  }

  unpin(): Promise<void> {
    return unpinImage(this.cache.directory, this.images.part.digest.toString('hex'));
  }
}

/** Something that changes a cache, interrupted at every system call that it makes. */
export interface CacheRow {
  readonly name: string;
  /** Done, and the cache closed, before the log begins. */
  readonly before: (cache: TestedCache) => Promise<void>;
  /** @param told is called with numbers of blocks that are stored from now on. */
  readonly during: (
    cache: TestedCache,
    told: (numbers: readonly number[]) => void,
  ) => Promise<void>;
  /** Whether what is stored stays, as long as only a process is killed. */
  readonly keepsAll: boolean;
  /** Whether what is pinned and was there before stays whatever happens. */
  readonly keepsPinned: boolean;
}

const nothing = async (): Promise<void> => undefined;
const range = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => from + index);

export const CACHE_ROWS: readonly CacheRow[] = [
  {
    name: 'cache: the first blocks',
    before: nothing,
    during: async (cache, told) => {
      await cache.put(0, 4);
      told(range(0, 4));
      await cache.put(4, 3);
      told(range(4, 3));
    },
    keepsAll: true,
    keepsPinned: false,
  },
  {
    name: 'cache: blocks behind those of an earlier process',
    before: (cache) => cache.put(0, 3),
    during: async (cache, told) => {
      told(range(0, 3));
      await cache.put(3, 3);
      told(range(3, 3));
    },
    keepsAll: true,
    keepsPinned: false,
  },
  {
    name: 'cache: a segment is full',
    before: (cache) => cache.put(0, 7),
    during: async (cache, told) => {
      await cache.put(7, 6);
      told(range(0, 13));
    },
    keepsAll: true,
    keepsPinned: false,
  },
  {
    name: 'cache: the oldest go, what is used and pinned stays',
    before: async (cache) => {
      await cache.pin();
      await cache.put(0, 24);
      await cache.read(6);
    },
    during: (cache) => cache.put(24, 16),
    keepsAll: false,
    keepsPinned: true,
  },
  {
    name: 'cache: pruned, with a pin',
    before: async (cache) => {
      await cache.put(0, 20);
      await cache.pin();
    },
    during: (cache) => cache.cache.prune(0),
    keepsAll: false,
    keepsPinned: true,
  },
  {
    name: 'cache: pinned and unpinned',
    before: (cache) => cache.put(0, 5),
    during: async (cache, told) => {
      told(range(0, 5));
      await cache.pin();
      await cache.unpin();
    },
    keepsAll: true,
    keepsPinned: false,
  },
];
