import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type Image, lookupPath } from '@rowfs/image';
import { BLOCK_SIZE, BlockBench, noise } from '../test-support/block-bench.ts';
import { DirectoryAhead } from './directory-ahead.ts';

const FILES_EACH = 300;
const WINDOW = (256 * 1024) / BLOCK_SIZE;

let bench: BlockBench;
let image: Image;
let ahead: DirectoryAhead;
let fetched: number[];

before(async () => {
  bench = await BlockBench.make();
  const files: Record<string, Buffer> = {};
  for (const directory of ['a', 'b', 'c'])
    for (let i = 0; i < FILES_EACH; i += 1)
      files[`${directory}/${String(i).padStart(3, '0')}`] = noise(100, i);
  image = await bench.image(files);
});
after(() => bench.close());

beforeEach(() => {
  fetched = [];
  ahead = new DirectoryAhead(image, (first, end) => {
    for (let number = first; number < end; number += 1) fetched.push(number);
    return end;
  });
});

function read(directory: string, index: number, { isLate }: { isLate: boolean }): void {
  const path = [directory, String(index).padStart(3, '0')];
  const fileid = lookupPath(image, path) ?? 0;
  const [run] = image.runs(fileid);
  const first = run?.number ?? 0;
  const file = { first, end: first + 1 };
  ahead.onRead(fileid, { ...file, file, isLate });
}

function directoryOf(number: number): string | undefined {
  return image.path(image.storedBlock(number).fileid)[0];
}

describe('DirectoryAhead', () => {
  it('fetches nothing for a single file, however often it is read', () => {
    for (let i = 0; i < 3; i += 1) read('b', 100, { isLate: true });
    assert.deepEqual(fetched, []);
  });

  it('fetches nothing for files of different directories', () => {
    for (const directory of ['a', 'b', 'c']) read(directory, 7, { isLate: true });
    assert.deepEqual(fetched, []);
  });

  it('fetches neighbours of the same directory when a second file of it was waited for', () => {
    read('b', 100, { isLate: true });
    read('b', 20, { isLate: true });
    assert.equal(fetched.length, WINDOW);
    assert.ok(fetched.every((number) => directoryOf(number) === 'b'));
  });

  it('fetches twice as much when that was read, and no more when it was not', () => {
    read('b', 100, { isLate: true });
    read('b', 20, { isLate: true });
    read('b', 102, { isLate: false });
    assert.equal(fetched.length, 3 * WINDOW);
    read('b', 10, { isLate: false });
    assert.equal(fetched.length, 3 * WINDOW);
  });

  it('fetches each block of a directory once, and none of others', () => {
    read('b', 150, { isLate: true });
    for (let i = 0; i < 20; i += 1) read('b', i, { isLate: true });
    assert.equal(fetched.length, FILES_EACH - 1);
    assert.equal(new Set(fetched).size, fetched.length);
    assert.ok(fetched.every((number) => directoryOf(number) === 'b'));
  });
});
