import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { spansOf } from './contents.ts';
import { BLOCK_BYTES, hasBit, packChunk, setBit, unpackChunk } from '../shadow/presence.ts';

void describe('spans of a file', () => {
  it('tell of each byte where it comes from, with neighbours joined', () => {
    const cases = fc.record({
      present: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
      lowerLimit: fc.nat(8 * BLOCK_BYTES),
      offset: fc.nat(8 * BLOCK_BYTES),
      length: fc.nat(8 * BLOCK_BYTES),
    });
    fc.assert(
      fc.property(cases, ({ present, lowerLimit, offset, length }) => {
        const isPresent = (block: number): boolean => present[block] ?? false;
        const spans = spansOf(isPresent, lowerLimit, offset, offset + length);
        let at = offset;
        for (const [index, span] of spans.entries()) {
          assert.equal(span.offset, at);
          assert.notEqual(span.from, spans[index + 1]?.from);
          for (let byte = at; byte < at + span.length; byte += 97) {
            const block = Math.floor(byte / BLOCK_BYTES);
            const here = isPresent(block) || block * BLOCK_BYTES >= lowerLimit;
            const expected = here ? 'shadow' : byte < lowerLimit ? 'lower' : 'zeros';
            assert.equal(span.from, expected);
          }
          at += span.length;
        }
        assert.equal(at, offset + length);
      }),
    );
  });
});

void describe('presence bits', () => {
  it('survive being stored without the zeros at their end', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(4095)), (blocks) => {
        const chunk = unpackChunk(undefined);
        for (const block of blocks) setBit(chunk, block);
        const stored = packChunk(chunk);
        for (let block = 0; block < 4096; block += 1) {
          assert.equal(hasBit(stored, block), blocks.includes(block));
        }
        assert.deepEqual(unpackChunk(stored), chunk);
      }),
      { numRuns: 20 },
    );
  });
});
