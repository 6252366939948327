import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RpcError } from './error.ts';
import { RecordAssembler, RecordEncoder, withoutMark } from './record-marking.ts';

/** Cuts bytes at the given places, as fragments or as a network does. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((p) => p % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

function mark(length: number, last: boolean): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  if (last) bytes[0]! |= 0x80;
  return bytes;
}

function inFragments(record: Uint8Array, places: readonly number[]): Buffer {
  const fragments = cut(record, places);
  return Buffer.concat(
    fragments.flatMap((f, i) => [mark(f.length, i === fragments.length - 1), f]),
  );
}

function assemble(chunks: readonly Uint8Array[], limit: number): Buffer[] {
  const assembler = new RecordAssembler(limit);
  const records: Buffer[] = [];
  for (const chunk of chunks) {
    assembler.push(chunk, (record) => records.push(Buffer.concat(record)));
  }
  return records;
}

const places = fc.array(fc.nat(), { maxLength: 6 });

describe('record marking', () => {
  it('restores records from any fragments, empty ones too, cut at any places', () => {
    const record = fc.record({ bytes: fc.uint8Array({ maxLength: 400 }), fragments: places });
    fc.assert(
      fc.property(fc.array(record, { maxLength: 5 }), fc.array(fc.nat()), (records, cuts) => {
        const stream = Buffer.concat(records.map((r) => inFragments(r.bytes, r.fragments)));
        const expected = records.map((r) => Buffer.from(r.bytes));
        assert.deepEqual(assemble(cut(stream, cuts), 400), expected);
      }),
    );
  });

  it('restores a record cut at every single place, and one that comes byte by byte', () => {
    const record = Buffer.from(Array.from({ length: 3000 }, (_, i) => i & 255));
    const stream = Buffer.concat([
      inFragments(record, [1, 1, 7, 2900]),
      inFragments(Buffer.from([9]), []),
    ]);
    const expected = [record, Buffer.from([9])];
    for (let at = 0; at <= stream.length; at += 1) {
      assert.deepEqual(assemble([stream.subarray(0, at), stream.subarray(at)], 3000), expected);
    }
    const single = Array.from(stream, (byte) => Uint8Array.of(byte));
    assert.deepEqual(assemble(single, 3000), expected);
  });

  it('holds a record that comes byte by byte in few pieces', () => {
    const assembler = new RecordAssembler(100_000);
    let pieces = 0;
    const stream = inFragments(Buffer.alloc(100_000), []);
    for (const byte of stream) {
      assembler.push(Uint8Array.of(byte), (record) => (pieces = record.length));
    }
    assert.ok(pieces > 0 && pieces < 100, `${pieces} pieces`);
  });

  it('hands on what arrived, without a copy', () => {
    const stream = inFragments(Buffer.alloc(100_000), [30_000]);
    const assembler = new RecordAssembler(100_000);
    const records: (readonly Uint8Array[])[] = [];
    assembler.push(stream, (record) => records.push(record));
    assert.deepEqual(
      records.map((r) => r.map((piece) => piece.length)),
      [[30_000, 70_000]],
    );
    assert.ok(records[0]!.every((piece) => piece.buffer === stream.buffer));
  });

  it('refuses a record above the limit at its mark, before its bytes are there', () => {
    const tooLong = (error: unknown): boolean =>
      error instanceof RpcError && error.code === 'RECORD_TOO_LONG';
    assert.throws(() => assemble([mark(101, true)], 100), tooLong);
    assert.throws(
      () => assemble([mark(60, false), Buffer.alloc(60), mark(41, true)], 100),
      tooLong,
    );
    assert.deepEqual(assemble([mark(100, true), Buffer.alloc(100)], 100), [Buffer.alloc(100)]);
  });

  it('refuses a record of empty fragments that does not end', () => {
    const assembler = new RecordAssembler(100);
    const push = (): void => assembler.push(Buffer.alloc(40), () => assert.fail('no record'));
    push();
    push();
    assert.throws(
      push,
      (error: unknown) => error instanceof RpcError && error.code === 'RECORD_TOO_LONG',
    );
  });

  it('encodes each record as one fragment with its mark in the first piece', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 9000 }), { maxLength: 30 }), (payloads) => {
        const encoder = new RecordEncoder();
        const records = payloads.map((bytes) => encoder.encode((writer) => writer.opaque(bytes)));
        payloads.forEach((bytes, i) => {
          const body = Buffer.concat(withoutMark(records[i]!));
          const first = Buffer.from(records[i]![0]!);
          assert.equal(first.readUInt32BE(), (0x8000_0000 | body.length) >>> 0);
          assert.equal(body.readUInt32BE(), bytes.length);
          assert.deepEqual(body.subarray(4, 4 + bytes.length), Buffer.from(bytes));
        });
      }),
    );
  });

  it('forgets a record whose writing failed', () => {
    const encoder = new RecordEncoder();
    assert.throws(() =>
      encoder.encode((writer) => {
        writer.uint32(1);
        throw new Error('half written');
      }),
    );
    const record = Buffer.concat(encoder.encode((writer) => writer.uint32(2)));
    assert.equal(record.toString('hex'), '8000000400000002');
  });
});
