import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { XdrError, XdrReader, XdrWriter } from '@rowfs/xdr';
import fc, { type Arbitrary } from 'fast-check';
import { codecs } from '../every-procedure.ts';
import { mountProcedures } from '../mount/table.ts';
import * as arbitraries from '../test-support/arbitraries.ts';
import { joined } from '../test-support/joined.ts';
import type { ProcedureCodec } from './procedure.ts';
import { procedureNames, type ProcedureName } from './table.ts';

function encode(write: (writer: XdrWriter) => void): Buffer {
  const writer = new XdrWriter();
  write(writer);
  return Buffer.concat(writer.finish());
}

function decode<T>(bytes: Uint8Array, read: (reader: XdrReader) => T): T {
  const reader = new XdrReader(bytes);
  const value = read(reader);
  reader.end();
  return value;
}

function isRefused(bytes: Uint8Array, read: (reader: XdrReader) => unknown): void {
  assert.throws(() => decode(bytes, read), XdrError);
}

/** What holds for every codec, whatever its procedure. */
function decodesWhatItEncodes<Args, Res>(
  codec: ProcedureCodec<Args, Res>,
  args: Arbitrary<Args>,
  results: Arbitrary<Res>,
): void {
  it('decodes the arguments that it encoded', () => {
    fc.assert(
      fc.property(args, (value) => {
        const bytes = encode((writer) => codec.writeArgs(writer, value));
        assert.deepEqual(joined(decode(bytes, codec.readArgs)), joined(value));
      }),
    );
  });

  it('decodes the results that it encoded', () => {
    fc.assert(
      fc.property(results, (value) => {
        const bytes = encode((writer) => codec.writeResult(writer, value));
        assert.deepEqual(joined(decode(bytes, codec.readResult)), joined(value));
      }),
    );
  });

  it('refuses arguments and results that were cut short', () => {
    fc.assert(
      fc.property(args, results, fc.nat(), (arg, result, at) => {
        const sent = encode((writer) => codec.writeArgs(writer, arg));
        const answered = encode((writer) => codec.writeResult(writer, result));
        if (sent.length > 0) isRefused(sent.subarray(0, at % sent.length), codec.readArgs);
        if (answered.length > 0) {
          isRefused(answered.subarray(0, at % answered.length), codec.readResult);
        }
      }),
    );
  });

  it('throws nothing but XdrError over random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        for (const read of [codec.readArgs, codec.readResult]) {
          try {
            read(new XdrReader(bytes));
          } catch (error) {
            assert.ok(error instanceof XdrError, String(error));
          }
        }
      }),
    );
  });
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- ties codec to values
function describeProcedure<P extends ProcedureName>(name: P): void {
  describe(name, () => {
    decodesWhatItEncodes(codecs[name], arbitraries.argsOf[name], arbitraries.resultOf[name]);
  });
}

describe('NFS version 3', () => {
  for (const name of procedureNames) describeProcedure(name);

  it('has the procedures 1 to 21 of RFC 1813', () => {
    const numbers = procedureNames.map((name) => codecs[name].number).sort((a, b) => a - b);
    assert.deepEqual(
      numbers,
      Array.from({ length: 21 }, (_, i) => i + 1),
    );
  });
});

describe('MOUNT version 3', () => {
  const { mnt, dump, umnt, umntall, export: exportList } = mountProcedures;
  const nothing = fc.constant(undefined);
  describe('mnt', () => {
    decodesWhatItEncodes(mnt, arbitraries.dirpath, arbitraries.mountResult);
  });
  describe('dump', () => {
    decodesWhatItEncodes(dump, nothing, fc.array(arbitraries.mountEntry));
  });
  describe('umnt', () => {
    decodesWhatItEncodes(umnt, arbitraries.dirpath, nothing);
  });
  describe('umntall', () => {
    decodesWhatItEncodes(umntall, nothing, nothing);
  });
  describe('export', () => {
    decodesWhatItEncodes(exportList, nothing, fc.array(arbitraries.exportEntry));
  });
});
