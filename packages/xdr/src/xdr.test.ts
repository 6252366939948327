import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { XdrError, XdrReader, XdrWriter } from './index.ts';

/** Cuts bytes into pieces at the given places, as a network does. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((p) => p % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

const latin1 = fc.uint8Array({ maxLength: 300 }).map((b) => Buffer.from(b).toString('latin1'));
const value = fc.oneof(
  fc.record({ kind: fc.constant('uint32' as const), v: fc.integer({ min: 0, max: 0xffffffff }) }),
  fc.record({ kind: fc.constant('int32' as const), v: fc.integer() }),
  fc.record({
    kind: fc.constant('uint64' as const),
    v: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  }),
  fc.record({ kind: fc.constant('uint53' as const), v: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant('bool' as const), v: fc.boolean() }),
  fc.record({ kind: fc.constant('opaque' as const), v: fc.uint8Array({ maxLength: 5000 }) }),
  fc.record({ kind: fc.constant('string' as const), v: latin1 }),
);
type Value = typeof value extends fc.Arbitrary<infer T> ? T : never;

function write(writer: XdrWriter, { kind, v }: Value): void {
  switch (kind) {
    case 'uint32':
      return writer.uint32(v);
    case 'int32':
      return writer.int32(v);
    case 'uint64':
      return writer.uint64(v);
    case 'uint53':
      return writer.uint53(v);
    case 'bool':
      return writer.bool(v);
    case 'opaque':
      return writer.opaque(v);
    case 'string':
      return writer.string(v);
  }
}

function read(reader: XdrReader, kind: Value['kind']): unknown {
  return kind === 'opaque' || kind === 'string' ? reader[kind](5000) : reader[kind]();
}

describe('XDR', () => {
  it('reads back whatever it wrote, however the message is cut into pieces', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 40 }), fc.array(fc.nat()), (values, places) => {
        const writer = new XdrWriter();
        for (const v of values) write(writer, v);
        const length = writer.length;
        const bytes = Buffer.concat(writer.finish());
        assert.equal(bytes.length, length);
        assert.equal(bytes.length % 4, 0);
        const reader = new XdrReader(cut(bytes, places));
        for (const { kind, v } of values) assert.deepEqual(read(reader, kind), v);
        reader.end();
      }),
    );
  });

  it('hands payloads on by reference', () => {
    const payload = new Uint8Array(100_001).fill(7);
    const writer = new XdrWriter();
    writer.opaqueParts([payload.subarray(0, 50_000), payload.subarray(50_000)]);
    const pieces = writer.finish();
    assert.ok(pieces.some((piece) => piece.buffer === payload.buffer));
    const parts = new XdrReader(pieces).opaqueParts(200_000);
    assert.ok(parts.every((part) => part.buffer === payload.buffer));
    assert.deepEqual(Buffer.concat(parts), Buffer.from(payload));
  });

  it('refuses with an XdrError what is not XDR, and never reads past the end', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.array(value), fc.array(fc.nat()), (bytes, kinds, places) => {
        const reader = new XdrReader(cut(bytes, places));
        try {
          for (const { kind } of kinds) read(reader, kind);
          reader.end();
        } catch (error) {
          assert.ok(error instanceof XdrError);
        }
        assert.ok(reader.remaining >= 0);
      }),
    );
  });

  it('names what was wrong', () => {
    const code = (fn: () => unknown): string => {
      try {
        fn();
      } catch (error) {
        if (error instanceof XdrError) return error.code;
      }
      return 'nothing thrown';
    };
    const bytes = (hex: string): XdrReader => new XdrReader(Buffer.from(hex, 'hex'));
    assert.equal(
      code(() => bytes('0000').uint32()),
      'TRUNCATED',
    );
    assert.equal(
      code(() => bytes('00000002').bool()),
      'BAD_VALUE',
    );
    assert.equal(
      code(() => bytes('0020000000000000').uint53()),
      'BAD_VALUE',
    );
    assert.equal(
      code(() => bytes('ffffffff').opaque(64)),
      'TOO_LONG',
    );
    assert.equal(
      code(() => bytes('0000000561').opaque(64)),
      'TRUNCATED',
    );
    assert.equal(
      code(() => bytes('00000000').end()),
      'TRAILING_BYTES',
    );
    assert.equal(
      code(() => new XdrWriter().string('\u0100')),
      'BAD_VALUE',
    );
    assert.equal(
      code(() => new XdrWriter().uint53(-1)),
      'BAD_VALUE',
    );
  });
});
