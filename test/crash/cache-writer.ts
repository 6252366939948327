/**
 * The process whose system calls are logged: prepares the cache of each row, or does what is interrupted. On
 * standard output it says `ROW NUMBERS` when blocks are stored.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE_ROWS, makeCacheImages, TestedCache } from './cache-rows.ts';

export interface CacheWriterTask {
  /** For the images; not logged. */
  readonly images: string;
  /** With a directory for each row. */
  readonly rows: string;
  readonly prepare: boolean;
}

const STDOUT = 1;
const task = JSON.parse(process.argv[2] ?? '') as CacheWriterTask;
const images = await makeCacheImages(task.images);
for (const [number, row] of CACHE_ROWS.entries()) {
  const cache = await TestedCache.open(join(task.rows, String(number)), images);
  if (task.prepare) await row.before(cache);
  else
    await row.during(cache, (numbers) => {
      writeSync(STDOUT, `${number} ${numbers.join(',')}\n`);
    });
  await cache.cache.close();
}
