import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PieceReader } from './piece-reader.ts';

const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 31) >>> 3));

describe('PieceReader', () => {
  it('takes the bytes in their order, however they came and are taken', () => {
    const cuts = fc.array(fc.nat(bytes.length), { maxLength: 20 });
    const lengths = fc.array(fc.oneof(fc.nat(100), fc.nat(60_000)), { maxLength: 20 });
    fc.assert(
      fc.property(cuts, lengths, fc.array(fc.boolean()), (at, wanted, isApart) => {
        const places = [0, ...at.sort((a, b) => a - b), bytes.length];
        const pieces = places.slice(1).map((end, i) => {
          const piece = bytes.subarray(places[i], end);
          return isApart[i] === true ? Buffer.from(piece) : piece;
        });
        const reader = new PieceReader(pieces);
        let from = 0;
        for (const length of wanted) {
          if (length === 0) continue;
          if (from + length > bytes.length) {
            assert.throws(() => reader.take(length), RangeError);
            return;
          }
          assert.ok(reader.take(length).equals(bytes.subarray(from, from + length)));
          from += length;
        }
      }),
    );
  });

  it('does not copy what is large, and came in one piece or in pieces side by side', () => {
    const reader = new PieceReader([bytes.subarray(0, 10), bytes.subarray(10, 70_000)]);
    const taken = reader.take(65_536);
    assert.equal(taken.buffer, bytes.buffer);
    assert.notEqual(reader.take(100).buffer, bytes.buffer);
  });
});
