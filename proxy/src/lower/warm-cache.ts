import { join } from 'node:path';
import type { Image } from '@rowfs/image';
import type { Logger } from 'pino';
import { BlockCache } from '../block-cache/block-cache.ts';
import type { CacheLimits } from '../block-cache/space.ts';
import type { BlockFetcher } from '../block-reader/block-fetcher.ts';
import { BlockReader, type PrefetchResult } from '../block-reader/block-reader.ts';
import { DirectoryFetcher } from '../block-reader/directory-fetcher.ts';
import type { OpenServer } from '../failover/replica.ts';
import { createFetcher, DEFAULT_FETCH_TIMINGS } from '../fetch/fetcher.ts';
import type { ImageServer } from '../locator.ts';

/** Where a cache of blocks is in what all sessions of a machine share. */
export const blockCacheDirectory = (cacheDirectory: string): string =>
  join(cacheDirectory, 'blocks');

export interface WarmCacheOptions {
  readonly image: Image;
  /** Servers of the image, or a copy of its tree on this machine. */
  readonly source: { readonly servers: readonly ImageServer[] } | { readonly directory: string };
  readonly openServer: OpenServer;
  /** Of what all sessions of the machine share. */
  readonly cacheDirectory: string;
  readonly cacheLimits: CacheLimits;
  /** Numbers of the blocks to bring, in their order. */
  readonly blocks: Iterable<number>;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** Told how many blocks are done. */
  readonly onProgress: (done: number) => void;
}

/** What became of the blocks; they are stored unless the cache says that it stores nothing. */
export interface WarmCacheResult extends PrefetchResult {
  /** Of the image's blocks, those that are in the cache now. */
  readonly blocksHere: number;
}

/** Brings blocks of an image to the cache before any machine asks for them. */
export async function warmCache(options: WarmCacheOptions): Promise<WarmCacheResult> {
  const { image, cacheDirectory, cacheLimits, blocks, signal, logger, onProgress } = options;
  const directory = blockCacheDirectory(cacheDirectory);
  const cache = await BlockCache.open({ directory, ...cacheLimits, logger });
  const fetcher = openFetcher(options);
  try {
    const cached = cache.attach(image);
    const reader = new BlockReader(cached, fetcher);
    const result = await reader.prefetch(blocks, { signal, onProgress });
    await cache.settled();
    return { ...result, blocksHere: cached.countStored() };
  } finally {
    await fetcher.close();
    await cache.close();
  }
}

type ClosableFetcher = BlockFetcher & { close(): Promise<void> };

function openFetcher({ image, source, openServer, logger }: WarmCacheOptions): ClosableFetcher {
  if ('servers' in source) {
    const { servers } = source;
    const timings = DEFAULT_FETCH_TIMINGS;
    return createFetcher({
      image,
      servers,
      openServer,
      timings,
      logger,
      onChange: () => undefined,
    });
  }
  const fetcher = new DirectoryFetcher(image, source.directory);
  return {
    fetch: (number) => fetcher.fetch(number),
    expect: () => fetcher.expect(),
    close: async () => undefined,
  };
}
