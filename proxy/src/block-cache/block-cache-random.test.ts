/** Random uses of one cache by several at once, with damage, compared with what was put. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Image } from '@rowfs/image';
import fc from 'fast-check';
import { BLOCK_SIZE, BlockBench, blocksOf, noise } from '../test-support/block-bench.ts';
import type { CacheProcessTask } from '../test-support/cache-process.ts';
import type { BlockCache } from './block-cache.ts';
import type { CachedImage } from './cached-image.ts';
import { pinImage, unpinImage } from './pins.ts';

const SEGMENT_BYTES = 32 * 1024;
const MAX_BYTES = 8 * SEGMENT_BYTES;
const BLOCKS = 120;
const FILES = { file: noise(BLOCKS * BLOCK_SIZE - 99, 5) };
const USERS = 3;

let bench: BlockBench;
let image: Image;
let blocks: Buffer[];
before(async () => {
  bench = await BlockBench.make();
  image = await bench.image(FILES);
  blocks = blocksOf(image, FILES);
});
after(() => bench.close());

const openCache = (): Promise<BlockCache> =>
  bench.cache({ maxBytes: MAX_BYTES, segmentBytes: SEGMENT_BYTES });

const segments = (): string[] =>
  readdirSync(bench.cacheDirectory).filter((name) => name.startsWith('segment-'));

const bytesOnDisk = (): number =>
  segments().reduce(
    (sum, name) => sum + statSync(join(bench.cacheDirectory, name)).blocks * 512,
    0,
  );

/** Reads a block, or a part of some; what comes is right. @returns whether it came. */
async function read(cached: CachedImage, number: number, count: number): Promise<boolean> {
  const last = Math.min(number + count, BLOCKS) - 1;
  const lastLength = blocks[last]!.length;
  const from = (number * 37) % 100;
  const to = (last - number) * BLOCK_SIZE + lastLength - from;
  const span = { number, count: last - number + 1, lastLength, from, to };
  const pieces = await cached.read(span);
  if (pieces === undefined) return false;
  const expected = FILES.file.subarray(number * BLOCK_SIZE + from, number * BLOCK_SIZE + to);
  assert.ok(Buffer.concat(pieces).equals(expected), `blocks from ${number} on are wrong`);
  return true;
}

/** Changes a bit of a file of the cache, whichever it is. */
function flipBit(part: number, bit: number): void {
  const names = readdirSync(bench.cacheDirectory).filter((name) => !name.startsWith('lock'));
  const sizes = names.map((name) => statSync(join(bench.cacheDirectory, name)).size);
  let at = Math.floor(part * sizes.reduce((sum, size) => sum + size, 0));
  for (const [index, name] of names.entries()) {
    const size = sizes[index]!;
    if (at < size) {
      const descriptor = openSync(join(bench.cacheDirectory, name), 'r+');
      const byte = Buffer.alloc(1);
      readSync(descriptor, byte, 0, 1, at);
      byte[0]! ^= 1 << bit;
      writeSync(descriptor, byte, 0, 1, at);
      closeSync(descriptor);
      return;
    }
    at -= size;
  }
}

const user = fc.nat(USERS - 1);
const number = fc.nat(BLOCKS - 1);
const part = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const HARMLESS = [
  fc.record({
    kind: fc.constant('put' as const),
    user,
    number,
    count: fc.integer({ min: 1, max: 20 }),
  }),
  fc.record({
    kind: fc.constant('read' as const),
    user,
    number,
    count: fc.integer({ min: 1, max: 70 }),
  }),
  fc.record({ kind: fc.constant('reopen' as const), user }),
  fc.record({ kind: fc.constant('prune' as const), user, bytes: fc.nat(MAX_BYTES) }),
  fc.record({ kind: fc.constant('pin' as const), isPinned: fc.boolean() }),
];
const HARM = [
  fc.record({ kind: fc.constant('flip' as const), part, bit: fc.nat(7) }),
  fc.record({ kind: fc.constant('cut' as const), part }),
  fc.record({ kind: fc.constant('remove' as const), part }),
];
type Step =
  | { kind: 'put' | 'read'; user: number; number: number; count: number }
  | { kind: 'reopen'; user: number }
  | { kind: 'prune'; user: number; bytes: number }
  | { kind: 'pin'; isPinned: boolean }
  | { kind: 'flip'; part: number; bit: number }
  | { kind: 'cut' | 'remove'; part: number };

/** Users of one cache; the steps of a story are done one after the other. */
class Users {
  #caches: { cache: BlockCache; cached: CachedImage }[] = [];

  async open(): Promise<void> {
    for (let index = 0; index < USERS; index += 1) await this.#reopen(index);
  }

  async #reopen(index: number): Promise<void> {
    await this.#caches[index]?.cache.close();
    const cache = await openCache();
    this.#caches[index] = { cache, cached: cache.attach(image) };
  }

  async close(): Promise<void> {
    for (const { cache } of this.#caches) await cache.close();
    await rm(bench.cacheDirectory, { recursive: true, force: true });
  }

  async do(step: Step): Promise<void> {
    switch (step.kind) {
      case 'put': {
        const { cache, cached } = this.#caches[step.user]!;
        const end = Math.min(BLOCKS, step.number + step.count);
        for (let each = step.number; each < end; each += 1) cached.put(each, blocks[each]!);
        // What it believed to have may be damaged: then it finds out, and takes it again.
        if (!(await read(cached, step.number, 1))) cached.put(step.number, blocks[step.number]!);
        assert.ok(await read(cached, step.number, 1), 'what was just put is there');
        await cache.settled();
        return;
      }
      case 'read': {
        const { cached } = this.#caches[step.user]!;
        cached.refresh();
        await read(cached, step.number, step.count);
        return;
      }
      case 'reopen':
        return this.#reopen(step.user);
      case 'prune':
        await this.#caches[step.user]!.cache.prune(step.bytes);
        return;
      case 'pin':
        if (step.isPinned) await pinImage(bench.cacheDirectory, image, 'it');
        else await unpinImage(bench.cacheDirectory, image.digest.toString('hex')).catch(() => 0);
        return;
      case 'flip':
        flipBit(step.part, step.bit);
        return;
      case 'cut':
      case 'remove': {
        const names = segments();
        const name = names[Math.floor(step.part * names.length)];
        if (name === undefined) return;
        const path = join(bench.cacheDirectory, name);
        if (step.kind === 'remove') await rm(path);
        else truncateSync(path, Math.floor(statSync(path).size * step.part));
      }
    }
  }

  /** Each sees only what is right, and whatever happened the cache works. */
  async check(): Promise<void> {
    for (const { cached } of this.#caches) {
      cached.refresh();
      for (let each = 0; each < BLOCKS; each += 1)
        if (cached.has(each)) await read(cached, each, 1);
    }
  }
}

async function play(steps: readonly Step[], check: () => void): Promise<void> {
  const users = new Users();
  try {
    await users.open();
    for (const step of steps) {
      await users.do(step);
      check();
    }
    await users.check();
  } finally {
    await users.close();
  }
}

describe('a cache with several users', () => {
  it('gives what was put, and stays within its bounds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(...HARMLESS), { maxLength: 40, size: 'max' }), (steps) =>
        play(steps, () => assert.ok(bytesOnDisk() <= MAX_BYTES)),
      ),
      { numRuns: 40 },
    );
  });

  it('never gives a wrong byte, whatever is done to its files', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(...HARMLESS, ...HARM, ...HARM), { maxLength: 60, size: 'max' }),
        (steps) => play(steps, () => undefined),
      ),
      { numRuns: 40 },
    );
  });
});

describe('a cache whose processes are killed', () => {
  it('gives the others nothing wrong, and keeps no space', async () => {
    const cacheProcess = new URL('../test-support/cache-process.ts', import.meta.url);
    const task: CacheProcessTask = {
      directory: bench.cacheDirectory,
      tree: join(bench.root, 'tree'),
      maxBytes: MAX_BYTES,
      segmentBytes: SEGMENT_BYTES,
    };
    const start = async (seed: number): Promise<ChildProcess> => {
      const child = fork(cacheProcess, [JSON.stringify({ ...task, seed })]);
      await once(child, 'message');
      return child;
    };
    const survivor = await start(1);
    for (let round = 2; round < 6; round += 1) {
      const victim = await start(round);
      await setTimeout(round * 37);
      victim.kill('SIGKILL');
      await once(victim, 'exit');
    }
    survivor.send('end');
    const [status] = (await once(survivor, 'exit')) as [number | null];
    assert.equal(status, 0);
    assert.ok(bytesOnDisk() <= MAX_BYTES);
    const cache = await openCache();
    const cached = cache.attach(image);
    assert.ok(cached.countStored() > 0);
    for (let each = 0; each < BLOCKS; each += 1) if (cached.has(each)) await read(cached, each, 1);
    await cache.prune(0);
    await cache.close();
    assert.deepEqual(readdirSync(bench.cacheDirectory), []);
  });
});
