import assert from 'node:assert/strict';
import { test } from 'node:test';
import { XdrWriter } from '@rowfs/xdr';
import fc from 'fast-check';
import { Nfsstat3 } from '../status.ts';
import * as arbitraries from '../test-support/arbitraries.ts';
import { encodedEntriesPlus, readdirplus, type ReaddirplusResult } from './readdirplus.ts';

function encode(result: ReaddirplusResult): Buffer {
  const writer = new XdrWriter();
  readdirplus.writeResult(writer, result);
  return Buffer.concat(writer.finish());
}

test('entries that were encoded before are sent as the same bytes, and say the same', () => {
  fc.assert(
    fc.property(arbitraries.resultOf.readdirplus, (result) => {
      if (result.status !== Nfsstat3.OK) return;
      const entries = encodedEntriesPlus(result.entries);
      assert.deepEqual(entries, result.entries);
      assert.deepEqual(encode({ ...result, entries }), encode(result));
    }),
  );
});

test('entries that were taken out of encoded ones are encoded anew', () => {
  fc.assert(
    fc.property(arbitraries.resultOf.readdirplus, (result) => {
      if (result.status !== Nfsstat3.OK) return;
      const entries = encodedEntriesPlus(result.entries).slice(1);
      assert.deepEqual(
        encode({ ...result, entries }),
        encode({ ...result, entries: result.entries.slice(1) }),
      );
    }),
  );
});
