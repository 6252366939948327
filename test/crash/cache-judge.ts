import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isLock } from './system-call-log.ts';
import { CACHE_BYTES, type CacheImages, type CacheRow, TestedCache } from './cache-rows.ts';

export interface CacheCrash {
  readonly row: CacheRow;
  readonly isPowerCut: boolean;
  /** Blocks that were said to be stored before the crash. */
  readonly stored: readonly number[];
  /** Blocks that were in the cache before all. */
  readonly before: readonly number[];
}

/** What is wrong with a cache after a crash, as a process finds that opens it then; nothing when all is well. */
export async function problemsOfCache(
  directory: string,
  crash: CacheCrash,
  images: CacheImages,
): Promise<string[]> {
  const problems: string[] = [];
  const cache = await TestedCache.open(directory, images);
  try {
    const here = await readAll(cache, problems);
    const { row, isPowerCut, stored, before } = crash;
    const kept = [
      ...(row.keepsAll && !isPowerCut ? stored : []),
      ...(row.keepsPinned ? images.partNumbers.filter((number) => before.includes(number)) : []),
    ];
    for (const number of kept)
      if (!here.has(number)) problems.push(`block ${number} was stored, and is gone`);
    // Whatever was left, it takes new blocks, within its bounds.
    for (const number of images.blocks.keys()) await cache.put(number, 1);
    const last = images.blocks.length - 1;
    if (!cache.cached.has(last)) problems.push('it stores nothing any more');
    await readAll(cache, problems);
    const bytes = bytesIn(directory);
    if (bytes > CACHE_BYTES) problems.push(`it takes ${bytes} bytes, and may ${CACHE_BYTES}`);
    await cache.unpin().catch(() => undefined);
    await cache.cache.prune(0);
    const left = readdirSync(directory).filter((name) => !isLock(name));
    if (left.length > 0) problems.push(`when all is dropped ${left.join(', ')} stays`);
  } finally {
    await cache.cache.close();
  }
  return problems;
}

/** The numbers of the blocks that are there. */
export async function readAll(cache: TestedCache, problems: string[] = []): Promise<Set<number>> {
  const here = new Set<number>();
  for (const [number, expected] of cache.images.blocks.entries()) {
    const bytes = await cache.read(number);
    if (bytes !== undefined) here.add(number);
    if (bytes?.equals(expected) === false) problems.push(`block ${number} is wrong`);
  }
  return here;
}

const SECTOR_BYTES = 512;

function bytesIn(directory: string): number {
  return readdirSync(directory)
    .filter((name) => name.startsWith('segment-'))
    .reduce((sum, name) => sum + statSync(join(directory, name)).blocks * SECTOR_BYTES, 0);
}
