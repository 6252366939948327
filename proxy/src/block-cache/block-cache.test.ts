import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Image } from '@rowfs/image';
import { BLOCK_SIZE, BlockBench, blocksOf, noise } from '../test-support/block-bench.ts';
import type { CachedImage } from './cached-image.ts';
import { pinImage, pinsIn, unpinImage } from './pins.ts';

const SEGMENT_BYTES = 64 * 1024;
const FILES = { one: noise(100 * BLOCK_SIZE + 7, 1), two: noise(50 * BLOCK_SIZE, 2) };

let bench: BlockBench;
let image: Image;
let blocks: Buffer[];
beforeEach(async () => {
  bench = await BlockBench.make();
  image = await bench.image(FILES);
  blocks = blocksOf(image, FILES);
});
afterEach(() => bench.close());

function contentsOf(cached: CachedImage, number: number): Buffer | undefined {
  const length = blocks[number]!.length;
  const pieces = cached.read({ number, count: 1, lastLength: length, from: 0, to: length });
  assert.ok(!(pieces instanceof Promise));
  return pieces === undefined ? undefined : Buffer.concat(pieces);
}

/** The numbers of the blocks that are there; each is right. */
function present(cached: CachedImage): number[] {
  return [...blocks.keys()].filter((number) => {
    if (!cached.has(number)) return false;
    const bytes = contentsOf(cached, number);
    if (bytes === undefined) return false;
    assert.ok(bytes.equals(blocks[number]!), `block ${number} is wrong`);
    return true;
  });
}

function putAll(cached: CachedImage, numbers: Iterable<number> = blocks.keys()): void {
  for (const number of numbers) cached.put(number, blocks[number]!);
}

const bytesOnDisk = (): number =>
  readdirSync(bench.cacheDirectory).reduce(
    (sum, name) => sum + statSync(join(bench.cacheDirectory, name)).blocks * 512,
    0,
  );

const segments = (): string[] =>
  readdirSync(bench.cacheDirectory).filter((name) => name.startsWith('segment-'));

describe('BlockCache', () => {
  it('has what was put at once, and after it was opened again', async () => {
    const cache = await bench.cache();
    const cached = cache.attach(image);
    putAll(cached);
    assert.equal(present(cached).length, blocks.length);
    await cache.close();
    const again = (await bench.cache()).attach(image);
    assert.equal(present(again).length, blocks.length);
    assert.equal(again.countStored(), blocks.length);
  });

  it('shows a process what another one stores, while both run', async () => {
    const ours = (await bench.cache()).attach(image);
    const theirCache = await bench.cache();
    putAll(theirCache.attach(image), [3, 4, 5]);
    await theirCache.settled();
    assert.deepEqual(present(ours), []);
    ours.refresh();
    assert.deepEqual(present(ours), [3, 4, 5]);
  });

  it('shares blocks between images', async () => {
    const cache = await bench.cache();
    putAll(cache.attach(image));
    await cache.settled();
    const other = await bench.image({ renamed: FILES.two, more: noise(BLOCK_SIZE, 9) }, 'other');
    assert.equal(cache.attach(other).countStored(), 50);
  });

  it('never shows a block that is not what was stored, drops it and says so', async () => {
    const cache = await bench.cache();
    putAll(cache.attach(image));
    await cache.close();
    const [name = ''] = segments();
    const path = join(bench.cacheDirectory, name);
    const bytes = readFileSync(path);
    const at = bytes.indexOf(blocks[7]!);
    bytes[at + 100]! ^= 4;
    writeFileSync(path, bytes);
    const again = await bench.cache();
    const cached = again.attach(image);
    assert.deepEqual(
      present(cached),
      [...blocks.keys()].filter((number) => number !== 7),
    );
    assert.equal(again.wrongBlocks, 1);
    assert.ok(bench.logged.some((line) => line.includes('not what was stored')));
    // For others too it is gone, and can be stored anew.
    const others = (await bench.cache()).attach(image);
    assert.equal(others.has(7), false);
    putAll(cached, [7]);
    await again.settled();
    others.refresh();
    assert.equal(present(others).length, blocks.length);
  });

  it('stays within its bounds, and lets the oldest go', async () => {
    const maxBytes = 6 * SEGMENT_BYTES;
    const cache = await bench.cache({ maxBytes, segmentBytes: SEGMENT_BYTES });
    const cached = cache.attach(image);
    for (const number of blocks.keys()) {
      putAll(cached, [number]);
      await cache.settled();
      assert.ok(bytesOnDisk() <= maxBytes, `${bytesOnDisk()} bytes`);
    }
    await cache.close();
    const left = present((await bench.cache()).attach(image));
    assert.ok(left.length > 30 && left.length < 100, `${left.length} blocks`);
    assert.ok(left.includes(blocks.length - 1));
    assert.ok(!left.includes(0));
  });

  it('keeps what is used, and what is pinned', async () => {
    const maxBytes = 6 * SEGMENT_BYTES;
    const cache = await bench.cache({ maxBytes, segmentBytes: SEGMENT_BYTES });
    const cached = cache.attach(image);
    const small = await bench.image({ pinned: FILES.two.subarray(0, 5 * BLOCK_SIZE) }, 'small');
    await pinImage(cache.directory, small, 'small');
    assert.deepEqual(
      pinsIn(cache.directory).map(({ name }) => name),
      ['small'],
    );
    const pinnedAt = blocks.findIndex((block) => block.equals(FILES.two.subarray(0, BLOCK_SIZE)));
    const pinned = [0, 1, 2, 3, 4].map((each) => pinnedAt + each);
    putAll(cached, [...pinned, 0]);
    await cache.settled();
    for (const number of blocks.keys()) {
      putAll(cached, [number]);
      await cache.settled();
      if (number % 10 === 0) {
        // Another process uses it.
        const reader = await bench.cache();
        assert.notEqual(contentsOf(reader.attach(image), 0), undefined, `at ${number}`);
        await reader.close();
      }
    }
    const left = present(cached);
    for (const number of [...pinned, 0]) assert.ok(left.includes(number), `block ${number}`);
    await unpinImage(cache.directory, small.digest.toString('hex'));
    assert.deepEqual(pinsIn(cache.directory), []);
    await cache.prune(0);
    await cache.close();
    assert.deepEqual(segments(), []);
  });

  it('goes on with what a process left unfinished', async () => {
    for (let run = 0; run < 5; run += 1) {
      const cache = await bench.cache();
      putAll(cache.attach(image), [run]);
      await cache.close();
    }
    assert.equal(segments().length, 1);
  });

  it('stores more small blocks than a segment has records for', async () => {
    const small = Object.fromEntries(
      Array.from({ length: 100 }, (_, i) => [`file-${100 + i}`, noise(20 + i, i)]),
    );
    const tree = await bench.image(small, 'small');
    const cache = await bench.cache({ segmentBytes: SEGMENT_BYTES });
    const cached = cache.attach(tree);
    for (const [number, bytes] of blocksOf(tree, small).entries()) {
      cached.put(number, bytes);
      await cache.settled();
    }
    assert.equal(cached.countStored(), 100);
    assert.ok(segments().length > 2);
  });

  it('takes away what killed processes left', async () => {
    const cache = await bench.cache();
    const gone = spawnSync(process.execPath, ['-e', '']).pid;
    const left = [
      `pin-${'a'.repeat(64)}.${gone}.new`,
      'lock.segment-1700000000000-00000000',
      `lock.segment-1700000000000-00000000.${gone}`,
      `lock.${gone}.abandoned`,
      'segment-1700000000000-11111111',
    ];
    for (const name of left) writeFileSync(join(cache.directory, name), 'no header');
    putAll(cache.attach(image));
    await cache.settled();
    await cache.prune(0);
    assert.deepEqual(readdirSync(cache.directory), []);
  });

  it('stores nothing while everything is pinned, and says so once', async () => {
    const maxBytes = 4 * SEGMENT_BYTES;
    const cache = await bench.cache({ maxBytes, segmentBytes: SEGMENT_BYTES });
    await pinImage(cache.directory, image, 'all');
    const cached = cache.attach(image);
    for (const number of blocks.keys()) {
      putAll(cached, [number]);
      await cache.settled();
    }
    assert.ok(bytesOnDisk() <= maxBytes + image.blockCount * 32 + 8192);
    assert.equal(bench.logged.filter((line) => line.includes('stores nothing')).length, 1);
    await cache.close();
    const left = present((await bench.cache()).attach(image));
    assert.ok(left.length >= 16 && left.includes(0), `${left.length}`);
  });

  it('serves without a directory that it may write', async () => {
    const before = await bench.cache();
    putAll(before.attach(image), [1, 2]);
    await before.close();
    writeFileSync(join(bench.cacheDirectory, 'segment'), '');
    const cache = await bench.cache({ directory: join(bench.cacheDirectory, 'segment', 'none') });
    const cached = cache.attach(image);
    putAll(cached, [5]);
    await cache.settled();
    assert.deepEqual(present(cached), [5]);
    assert.equal(bench.logged.filter((line) => line.includes('stores nothing')).length, 1);
    if (process.getuid?.() === 0) return;
    chmodSync(bench.cacheDirectory, 0o500);
    const readOnly = (await bench.cache()).attach(image);
    assert.deepEqual(present(readOnly), [1, 2]);
  });
});
