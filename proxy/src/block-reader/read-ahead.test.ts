import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ReadAhead } from './read-ahead.ts';

const KIB = 1024;
const image = { blockSize: 64 * KIB, blockCount: 20_000 };
const FIRST_WINDOW = 4;
const MAX_WINDOW = 512;

/** Remembers what was fetched ahead, and how far. */
function readAhead(): { ahead: ReadAhead; fetched: [number, number][] } {
  const fetched: [number, number][] = [];
  const ahead = new ReadAhead(image, (first, end) => {
    fetched.push([first, end]);
    return end;
  });
  return { ahead, fetched };
}

const file = { first: 1000, end: 5000 };

describe('ReadAhead', () => {
  it('fetches a little behind the beginning of a file, and nothing after a jump', () => {
    const { ahead, fetched } = readAhead();
    ahead.onRead({ first: 1000, end: 1001, file, isLate: true });
    ahead.onRead({ first: 3000, end: 3001, file, isLate: true });
    ahead.onRead({ first: 2000, end: 2001, file, isLate: true });
    assert.deepEqual(fetched, [[1001, 1001 + FIRST_WINDOW]]);
  });

  it('grows while the reader waits, no further than it may, and not when it does not wait', () => {
    for (const isLate of [true, false]) {
      const { ahead, fetched } = readAhead();
      for (let at = 1000; at < 4000; at += 1)
        ahead.onRead({ first: at, end: at + 1, file, isLate });
      const last = fetched.at(-1)!;
      const window = isLate ? MAX_WINDOW : FIRST_WINDOW;
      assert.ok(last[1] - 4000 <= window && last[1] - 4000 >= window / 2, String(last[1]));
      // Each block once, in order.
      for (const [index, [first]] of fetched.entries())
        assert.equal(first, index === 0 ? 1001 : fetched[index - 1]![1]);
    }
  });

  it('follows reads that overtake each other, and several readers at once', () => {
    const { ahead, fetched } = readAhead();
    const other = { first: 9000, end: 9900 };
    for (let at = 0; at < 200; at += 2) {
      for (const each of [at + 1, at]) {
        ahead.onRead({ first: 1000 + each, end: 1001 + each, file, isLate: true });
        ahead.onRead({ first: 9000 + each, end: 9001 + each, file: other, isLate: true });
      }
    }
    assert.ok(fetched.some(([, end]) => end > 1300 && end < 5000));
    assert.ok(fetched.some(([, end]) => end > 9300));
  });

  it('ends with the file', () => {
    const { ahead, fetched } = readAhead();
    for (let at = 1000; at < 5000; at += 16)
      ahead.onRead({ first: at, end: at + 16, file, isLate: true });
    assert.equal(fetched.at(-1)![1], 5000);
  });

  it('goes on to the next files when files are read in their order', () => {
    const { ahead, fetched } = readAhead();
    for (let at = 100; at < 108; at += 2) {
      const small = { first: at, end: at + 2 };
      ahead.onRead({ ...small, file: small, isLate: true });
    }
    assert.ok(fetched.at(-1)![1] > 110);
  });

  it('does not for files in another order', () => {
    const { ahead, fetched } = readAhead();
    for (const at of [100, 104, 102, 110, 106]) {
      const small = { first: at, end: at + 2 };
      ahead.onRead({ ...small, file: small, isLate: true });
    }
    assert.deepEqual(fetched, []);
  });
});
