import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type Image, lookupPath } from '@rowfs/image';
import { ReplyLifetime } from '@rowfs/oncrpc';
import fc from 'fast-check';
import {
  BLOCK_SIZE,
  BlockBench,
  blocksOf,
  MemoryFetcher,
  noise,
} from '../test-support/block-bench.ts';
import { BlockReader } from './block-reader.ts';

const signal = new AbortController().signal;

function sparse(): Buffer {
  const bytes = noise(40 * BLOCK_SIZE + 77, 3);
  bytes.fill(0, 5 * BLOCK_SIZE, 9 * BLOCK_SIZE);
  bytes.fill(0, 20 * BLOCK_SIZE + 100, 31 * BLOCK_SIZE + 100);
  return bytes;
}

const FILES = {
  'a/empty': Buffer.alloc(0),
  'a/short': noise(10, 1),
  'a/twice': Buffer.concat([noise(BLOCK_SIZE, 2), noise(BLOCK_SIZE, 2), noise(9, 2)]),
  'a/zero': Buffer.alloc(3 * BLOCK_SIZE),
  big: noise(3 * 1024 * 1024 + 5, 4),
  sparse: sparse(),
};

let bench: BlockBench;
let image: Image;
let fetcher: MemoryFetcher;
beforeEach(async () => {
  bench = await BlockBench.make();
  image = await bench.image(FILES);
  fetcher = new MemoryFetcher(image, blocksOf(image, FILES));
});
afterEach(() => bench.close());

const fileidOf = (path: string): number => lookupPath(image, path.split('/')) ?? 0;

async function read(reader: BlockReader, path: string, offset = 0, count = Infinity) {
  const bytes = FILES[path as keyof typeof FILES];
  const length = Math.max(0, Math.min(count, bytes.length - offset));
  const pieces = await reader.read(fileidOf(path), offset, length, signal);
  const expected = bytes.subarray(offset, offset + length);
  assert.ok(Buffer.concat(pieces).equals(expected), `${path} ${offset} ${length}`);
}

describe('BlockReader', () => {
  it('leaves the bytes of a read alone until its reply ends', async () => {
    const cache = await bench.cache();
    const reader = new BlockReader(cache.attach(image), fetcher);
    const size = FILES.big.length;
    const length = fc.oneof(
      fc.integer({ min: 1, max: 9_000 }),
      fc.integer({ min: 1, max: 2 ** 20 }),
    );
    const step = fc.record({ offset: fc.nat(size - 1), length, ends: fc.nat(7) });
    const story = fc.array(step, { minLength: 40, maxLength: 120 });
    await fc.assert(
      fc.asyncProperty(story, async (steps) => {
        const kept: { reply: ReplyLifetime; pieces: readonly Uint8Array[]; expected: Buffer }[] =
          [];
        const check = ({ pieces, expected }: (typeof kept)[number]): void =>
          assert.ok(Buffer.concat(pieces).equals(expected));
        for (const { offset, length: count, ends } of steps) {
          const reply = new ReplyLifetime();
          const end = Math.min(size, offset + count);
          const fileid = fileidOf('big');
          const pieces = await reader.read(fileid, offset, end - offset, signal, reply);
          kept.push({ reply, pieces, expected: FILES.big.subarray(offset, end) });
          if (kept.length < 8) continue;
          const [ended] = kept.splice(ends, 1);
          check(ended!);
          ended!.reply.end();
        }
        kept.forEach(check);
        for (const { reply } of kept) reply.end();
      }),
      { numRuns: 10 },
    );
  });

  it('reads every byte of every file, fetched and then from the cache', async () => {
    const cache = await bench.cache();
    const reader = new BlockReader(cache.attach(image), fetcher);
    for (const path of Object.keys(FILES)) await read(reader, path);
    await cache.settled();
    const fetched = new Set(fetcher.numbers());
    // Of equal blocks one.
    assert.ok(fetched.size >= image.blockCount - 1);
    const again = new BlockReader(cache.attach(image), new MemoryFetcher(image, []));
    for (const path of Object.keys(FILES)) await read(again, path);
    assert.equal(again.statistics().misses, 0);
  });

  it('reads any part of any file, whatever is in the cache', async () => {
    const reader = new BlockReader((await bench.cache()).attach(image), fetcher);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...Object.keys(FILES)),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.oneof(fc.nat(9000), fc.nat(2_000_000)),
        (path, part, count) => {
          const size = FILES[path as keyof typeof FILES].length;
          return read(reader, path, Math.floor(part * size), count);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('answers at once what is here, and zeros', async () => {
    const cache = await bench.cache();
    const reader = new BlockReader(cache.attach(image), fetcher);
    assert.ok(!(reader.read(fileidOf('a/zero'), 5, 9000, signal) instanceof Promise));
    assert.deepEqual(fetcher.numbers(), []);
    await read(reader, 'a/short');
    assert.ok(!(reader.read(fileidOf('a/short'), 0, 10, signal) instanceof Promise));
    await cache.settled();
    const other = new BlockReader((await bench.cache()).attach(image), fetcher);
    assert.ok(!(other.read(fileidOf('a/short'), 2, 5, signal) instanceof Promise));
  });

  it('fetches a block once, however many wait for it', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    fetcher.gate = promise;
    const reader = new BlockReader((await bench.cache()).attach(image), fetcher);
    const offset = 1024 * 1024;
    const reads = Array.from({ length: 5 }, (_, i) => read(reader, 'big', offset + i, 20));
    resolve(undefined);
    await Promise.all(reads);
    assert.equal(reader.statistics().fetchedBlocks, 1);
  });

  it('fetches one of blocks that are equal, and the other only when that one cannot be had', async () => {
    const reader = new BlockReader((await bench.cache()).attach(image), fetcher);
    await read(reader, 'a/twice');
    assert.equal(reader.statistics().fetchedBlocks, 2);
    fetcher.missing.add(blockRange('a/twice').first);
    const none = await bench.cache({ directory: join(bench.root, 'another cache') });
    const other = new BlockReader(none.attach(image), fetcher);
    const first = assert.rejects(read(other, 'a/twice', 0, 10), /nobody has/);
    await read(other, 'a/twice', BLOCK_SIZE, 10);
    await first;
  });

  it('fails the reads of a block that nobody has, and no others; later it may be there', async () => {
    const reader = new BlockReader((await bench.cache()).attach(image), fetcher);
    const [lost = 0] = image.blocks(fileidOf('big'), 100, 1).map(({ stored }) => stored?.number);
    fetcher.missing.add(lost);
    await assert.rejects(read(reader, 'big', 100 * BLOCK_SIZE, 1), /nobody has/);
    await read(reader, 'big', 101 * BLOCK_SIZE, 100_000);
    await read(reader, 'big', 0, 100 * BLOCK_SIZE);
    fetcher.missing.clear();
    await read(reader, 'big');
  });

  it('gives what is before a block that nobody has, from wherever it comes', async () => {
    const cache = await bench.cache();
    const reader = new BlockReader(cache.attach(image), fetcher);
    const blocks = image.blocks(fileidOf('sparse'), 0, Infinity);
    const begins = (block: number) => blocks[block]!.offset;
    await read(reader, 'sparse', begins(1), 10);
    await cache.settled();
    for (const lost of [2, 3, 33, 39]) {
      fetcher.missing.clear();
      fetcher.missing.add(blocks[lost]!.stored!.number);
      const other = new BlockReader(cache.attach(image), fetcher);
      for (const offset of [0, 100, begins(lost) - 1]) {
        const pieces = await other.read(
          fileidOf('sparse'),
          offset,
          FILES.sparse.length - offset,
          signal,
        );
        const expected = FILES.sparse.subarray(offset, begins(lost));
        assert.ok(Buffer.concat(pieces).equals(expected), `up to ${lost} from ${offset}`);
      }
      await assert.rejects(read(other, 'sparse', begins(lost), 5 * BLOCK_SIZE), /nobody has/);
      await read(other, 'sparse', begins(lost) + BLOCK_SIZE);
    }
  });

  it('stops waiting when the caller does', async () => {
    fetcher.gate = new Promise(() => undefined);
    const reader = new BlockReader((await bench.cache()).attach(image), fetcher);
    const gone = new AbortController();
    const reading = reader.read(fileidOf('big'), 0, 10, gone.signal);
    gone.abort(new Error('gone'));
    await assert.rejects(Promise.resolve(reading), /gone/);
  });

  it('reads ahead of who reads in order, to the end of the file and not beyond', async () => {
    const reader = new BlockReader((await bench.cache()).attach(image), fetcher);
    const { first, end } = blockRange('big');
    for (let offset = 0; offset < FILES.big.length; offset += 32_768)
      await read(reader, 'big', offset, 32_768);
    const ahead = fetcher.numbers('read-ahead');
    assert.ok(ahead.length > (end - first) / 2);
    assert.ok(fetcher.numbers().every((number) => number >= first && number < end));
  });

  it('fetches nothing but what is asked for when it is read at random', async () => {
    const reader = new BlockReader((await bench.cache()).attach(image), fetcher);
    for (const offset of [2_800_000, 700_000]) await read(reader, 'big', offset, 100);
    assert.deepEqual(fetcher.numbers('read-ahead'), []);
  });

  it('stores what it fetches, however fast it comes', async () => {
    const large = { large: randomBytes(64 * 1024 * 1024) };
    const fast = await bench.image(large, 'large', 64 * 1024);
    const cache = await bench.cache({ maxBytes: 512 * 1024 * 1024 });
    const cached = cache.attach(fast);
    const reader = new BlockReader(cached, new MemoryFetcher(fast, blocksOf(fast, large)));
    const fileid = fast.lookup(fast.root, 'large') ?? 0;
    const step = 1024 * 1024;
    for (let offset = 0; offset < large.large.length; offset += step)
      await reader.read(fileid, offset, step, signal);
    await cache.settled();
    assert.equal(cached.countStored(), fast.blockCount);
  });

  it('prefetches what is not here, in order, and says what became of it', async () => {
    const cache = await bench.cache();
    const reader = new BlockReader(cache.attach(image), fetcher);
    await read(reader, 'a/short');
    const { first } = blockRange('big');
    fetcher.missing.add(first + 2);
    const numbers = [first + 3, blockRange('a/short').first, first + 2, first];
    assert.deepEqual(await reader.prefetch(numbers, { signal }), {
      present: 1,
      fetched: 2,
      failed: 1,
    });
    assert.deepEqual(fetcher.numbers('prefetch'), [first + 3, first + 2, first]);
    const done = AbortSignal.abort();
    assert.equal((await reader.prefetch([first + 9], { signal: done })).fetched, 0);
  });
});

function blockRange(path: string): { first: number; end: number } {
  const runs = image.runs(fileidOf(path));
  const last = runs.at(-1)!;
  return { first: runs[0]!.number, end: last.number + last.count };
}
