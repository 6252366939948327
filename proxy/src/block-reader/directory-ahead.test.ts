import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type Image, lookupPath } from '@rowfs/image';
import fc from 'fast-check';
import { BlockBench, noise } from '../test-support/block-bench.ts';
import { DirectoryAhead } from './directory-ahead.ts';

const KIB = 1024;
const BLOCK_SIZE = 64 * KIB;
const FIRST_CREDIT = 128 * KIB;
const CREDIT_OF_A_MISS = 16 * KIB;
const CALL = 256;
const FILES_EACH = 60;

let bench: BlockBench;
let image: Image;
let ahead: DirectoryAhead;
let here: Set<number>;
let fetched: { path: string; bytes: number }[];
let expected: string[];

/** `a` has small files, `b` those that grow with their names, `c` a few large ones among small ones. */
before(async () => {
  bench = await BlockBench.make();
  const files: Record<string, Buffer> = {};
  const sizes = {
    a: () => 1000,
    b: (i: number) => (FILES_EACH - i) * 4 * KIB,
    c: (i: number) => (i % 4 === 0 ? 400 * KIB : 100),
  };
  for (const [directory, size] of Object.entries(sizes))
    for (let i = 0; i < FILES_EACH; i += 1)
      files[`${directory}/${String(i).padStart(3, '0')}`] = noise(size(i), i);
  image = await bench.image(files, 'tree', BLOCK_SIZE);
});
after(() => bench.close());

beforeEach(begin);

function begin(): void {
  here = new Set();
  fetched = [];
  expected = [];
  ahead = new DirectoryAhead(image, {
    fetch(first, end) {
      let bytes = 0;
      for (let number = first; number < end; number += 1) {
        if (here.has(number)) continue;
        here.add(number);
        bytes += image.storedBlock(number).length;
      }
      if (bytes > 0)
        fetched.push({ path: image.path(image.storedBlock(first).fileid).join('/'), bytes });
      return { end, bytes };
    },
    expect: (fileid) => void expected.push(image.path(fileid).join('/')),
  });
}

/** The whole file, which somebody waits for unless it was fetched ahead. @returns its bytes, if so */
function read(path: string): number | undefined {
  const fileid = lookupPath(image, path.split('/')) ?? 0;
  const [run] = image.runs(fileid);
  assert.ok(run !== undefined);
  const file = { first: run.number, end: run.number + run.count };
  const isLate = !here.has(file.first);
  for (let number = file.first; number < file.end; number += 1) here.add(number);
  ahead.onRead(fileid, { ...file, file, isLate });
  return isLate ? undefined : image.attributes(fileid).size;
}

function name(directory: string, index: number): string {
  return `${directory}/${String(index).padStart(3, '0')}`;
}

function total(parts: readonly { readonly bytes: number }[]): number {
  return parts.reduce((sum, { bytes }) => sum + bytes, 0);
}

describe('DirectoryAhead', () => {
  it('fetches nothing for a single file, however often it is read, and expects its neighbours', () => {
    for (let i = 0; i < 3; i += 1) {
      read(name('a', 30));
      here.clear();
    }
    assert.deepEqual(fetched, []);
    assert.deepEqual(expected.slice(0, 4), ['a/031', 'a/029', 'a/032', 'a/028']);
    assert.equal(new Set(expected).size, FILES_EACH - 1);
  });

  it('fetches nothing for files of different directories', () => {
    for (const directory of ['a', 'b', 'c']) read(name(directory, 7));
    assert.deepEqual(fetched, []);
  });

  it('fetches the smallest files of the directory first, within its credit', () => {
    read(name('b', 10));
    read(name('b', 5));
    assert.deepEqual(
      fetched.map(({ path }) => path),
      [59, 58, 57, 56, 55, 54, 53].map((i) => name('b', i)),
    );
  });

  it('fetches of a large file its beginning', () => {
    read(name('c', 5));
    for (let i = 0; i < FILES_EACH; i += 1) if (i % 4 !== 0) read(name('c', i));
    for (let i = 0; i < 40; i += 4) read(name('c', i));
    const large = fetched.filter(({ bytes }) => bytes > BLOCK_SIZE);
    assert.ok(large.length > 0);
    assert.ok(large.every(({ bytes }) => bytes === 256 * KIB));
  });

  it('fetches more when what it fetched was read', () => {
    read(name('b', 10));
    read(name('b', 5));
    const [before, earned] = [total(fetched), read(name('b', 55)) ?? 0];
    assert.ok(earned > 0);
    // What was left of the first credit may be spent as well.
    assert.ok(total(fetched) - before > earned);
  });

  it('fetches no file that is here, and pays nothing for it', () => {
    for (let i = 30; i < FILES_EACH; i += 1) {
      const [run] = image.runs(lookupPath(image, ['b', String(i).padStart(3, '0')]) ?? 0);
      for (let n = 0; n < (run?.count ?? 0); n += 1) here.add((run?.number ?? 0) + n);
    }
    read(name('b', 10));
    read(name('b', 5));
    assert.equal(fetched[0]?.path, 'b/029');
  });

  it('wastes no more than its credit, and what was of use, in whatever order files are read', () => {
    const path = fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(FILES_EACH - 1));
    fc.assert(
      fc.property(fc.array(path, { maxLength: 150 }), (reads) => {
        begin();
        let misses = 0;
        let used = 0;
        const isRead = new Set<string>();
        for (const [directory, index] of reads) {
          const bytes = read(name(directory, index));
          if (bytes === undefined) misses += 1;
          isRead.add(name(directory, index));
        }
        let unread = 0;
        for (const { path: each, bytes } of fetched)
          if (isRead.has(each)) used += bytes + CALL;
          else unread += bytes + CALL;
        assert.ok(unread <= 3 * FIRST_CREDIT + misses * CREDIT_OF_A_MISS + used);
        assert.equal(new Set(expected).size, expected.length, 'each is looked up once');
      }),
    );
  });
});
