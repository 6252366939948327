/** A process that uses a cache at random until it is told to end, or killed: what it reads is right. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { buildImage } from '@rowfs/image';
import { pino } from 'pino';
import { BlockCache } from '../block-cache/block-cache.ts';
import { BLOCK_SIZE } from './block-bench.ts';

export interface CacheProcessTask {
  readonly directory: string;
  /** What the image is of: one file. */
  readonly tree: string;
  readonly maxBytes: number;
  readonly segmentBytes: number;
}

const { tree, seed, ...options } = JSON.parse(process.argv[2] ?? '') as CacheProcessTask & {
  readonly seed: number;
};
const { image } = await buildImage(tree, { blockSize: BLOCK_SIZE });
const file = readFileSync(join(tree, 'file'));
const block = (number: number): Buffer =>
  file.subarray(number * BLOCK_SIZE, (number + 1) * BLOCK_SIZE);
const cache = await BlockCache.open({
  ...options,
  reserveBytes: 0,
  logger: pino({ level: 'silent' }),
});
const cached = cache.attach(image);
const ending = new AbortController();
process.on('message', () => ending.abort());
process.send?.('ready');
let state = seed;
while (!ending.signal.aborted) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  const number = (state >>> 8) % image.blockCount;
  cached.refresh();
  const bytes = block(number);
  const span = { number, count: 1, lastLength: bytes.length, from: 0, to: bytes.length };
  const found = await cached.read(span);
  if (found === undefined) cached.put(number, bytes);
  else assert.ok(Buffer.concat(found).equals(bytes), `block ${number} is wrong`);
  if (number % 16 === 0) await cache.settled();
  await setImmediate();
}
await cache.close();
process.disconnect();
