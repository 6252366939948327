import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { XdrError, XdrReader, XdrWriter } from '@rowfs/xdr';
import fc from 'fast-check';
import type { Credential } from './auth.ts';
import {
  type AuthStat,
  type CallHeader,
  readCallHeader,
  readCallXid,
  readReplyOutcome,
  readReplyXid,
  type ReplyOutcome,
  writeCallHeader,
  writeReplyHeader,
} from './message.ts';

/** As the codec makes them; fast-check's own have no prototype now and then. */
const plainRecord = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true });

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const credential: fc.Arbitrary<Credential> = fc.oneof(
  fc.constant({ flavor: 'none' as const }),
  plainRecord({
    flavor: fc.constant('sys' as const),
    stamp: uint32,
    machinename: fc.uint8Array({ maxLength: 255 }).map((b) => Buffer.from(b).toString('latin1')),
    uid: uint32,
    gid: uint32,
    gids: fc.array(uint32, { maxLength: 16 }),
  }),
);
const header: fc.Arbitrary<CallHeader> = plainRecord({
  program: uint32,
  version: uint32,
  procedure: uint32,
  credential,
});
const authStats: AuthStat[] = ['AUTH_BADCRED', 'AUTH_REJECTEDCRED', 'AUTH_TOOWEAK', 'AUTH_FAILED'];
const outcome: fc.Arbitrary<ReplyOutcome> = fc.oneof(
  fc.constantFrom<ReplyOutcome>(
    { status: 'SUCCESS' },
    { status: 'PROG_UNAVAIL' },
    { status: 'PROC_UNAVAIL' },
    { status: 'GARBAGE_ARGS' },
    { status: 'SYSTEM_ERR' },
  ),
  plainRecord({
    status: fc.constantFrom('PROG_MISMATCH' as const, 'RPC_MISMATCH' as const),
    low: uint32,
    high: uint32,
  }),
  plainRecord({
    status: fc.constant('AUTH_ERROR' as const),
    authStat: fc.constantFrom(...authStats),
  }),
);

function written(write: (writer: XdrWriter) => void): Buffer {
  const writer = new XdrWriter();
  write(writer);
  return Buffer.concat(writer.finish());
}

/** A call header in words, to be spoiled one word at a time. */
function callWords(...afterProcedure: number[]): Buffer {
  const bytes = Buffer.alloc(4 * (4 + afterProcedure.length));
  [2, 100003, 3, 1, ...afterProcedure].forEach((word, i) => bytes.writeUInt32BE(word, i * 4));
  return bytes;
}

function refusalOf(bytes: Uint8Array): ReplyOutcome | undefined {
  const result = readCallHeader(new XdrReader(bytes));
  return result.ok ? undefined : result.outcome;
}

describe('RPC messages', () => {
  it('reads every call header back', () => {
    fc.assert(
      fc.property(uint32, header, (xid, call) => {
        const reader = new XdrReader(written((writer) => writeCallHeader(writer, xid, call)));
        assert.equal(readCallXid(reader), xid);
        assert.deepEqual(readCallHeader(reader), { ok: true, header: call });
        reader.end();
      }),
    );
  });

  it('reads every reply header back', () => {
    fc.assert(
      fc.property(uint32, outcome, (xid, reply) => {
        const reader = new XdrReader(written((writer) => writeReplyHeader(writer, xid, reply)));
        assert.equal(readReplyXid(reader), xid);
        assert.deepEqual(readReplyOutcome(reader), reply);
        reader.end();
      }),
    );
  });

  it('has the bytes of RFC 5531 on the wire', () => {
    const call = written((writer) =>
      writeCallHeader(writer, 0xabcd, {
        program: 100003,
        version: 3,
        procedure: 1,
        credential: { flavor: 'sys', stamp: 1, machinename: 'a', uid: 2, gid: 3, gids: [4] },
      }),
    );
    const words = ['0000abcd', '00000000', '00000002', '000186a3', '00000003', '00000001'];
    const sys = ['00000001', '0000001c', '00000001', '00000001', '61000000', '00000002'];
    const rest = ['00000003', '00000001', '00000004', '00000000', '00000000'];
    assert.equal(call.toString('hex'), [...words, ...sys, ...rest].join(''));
    const reply = written((writer) =>
      writeReplyHeader(writer, 1, { status: 'PROG_MISMATCH', low: 2, high: 4 }),
    );
    assert.equal(
      reply.toString('hex'),
      ['00000001', '00000001', '00000000', '0000000000000000', '00000002', '0000000200000004'].join(
        '',
      ),
    );
  });

  it('says for each spoiled call what RFC 5531 wants said', () => {
    const badcred = { status: 'AUTH_ERROR', authStat: 'AUTH_BADCRED' };
    const badverf = { status: 'AUTH_ERROR', authStat: 'AUTH_BADVERF' };
    const rejected = { status: 'AUTH_ERROR', authStat: 'AUTH_REJECTEDCRED' };
    const none = [0, 0];
    assert.equal(refusalOf(callWords(...none, ...none)), undefined);
    const version3 = callWords(...none, ...none);
    version3.writeUInt32BE(3);
    assert.deepEqual(refusalOf(version3), { status: 'RPC_MISMATCH', low: 2, high: 2 });
    assert.deepEqual(refusalOf(callWords().subarray(0, 12)), { status: 'GARBAGE_ARGS' });
    assert.deepEqual(refusalOf(callWords(6, 0, ...none)), rejected, 'RPCSEC_GSS');
    assert.deepEqual(refusalOf(callWords(2, 0, ...none)), rejected, 'AUTH_SHORT');
    assert.deepEqual(refusalOf(callWords(1, 8, 1, 0, ...none)), badcred, 'short AUTH_SYS');
    assert.deepEqual(refusalOf(callWords(0, 404, ...Array<number>(101).fill(0))), badcred);
    const seventeen = [1, 4 * 22, 1, 0, 0, 0, 17, ...Array<number>(17).fill(5)];
    assert.deepEqual(refusalOf(callWords(...seventeen, ...none)), badcred, '17 groups');
    assert.deepEqual(refusalOf(callWords(...none, 0)), badverf);
  });

  it('does not write a credential that AUTH_SYS has no room for', () => {
    const sys = { flavor: 'sys' as const, stamp: 0, machinename: '', uid: 0, gid: 0, gids: [] };
    const call = { program: 1, version: 1, procedure: 1 };
    const write = (credential: Credential): Buffer =>
      written((writer) => writeCallHeader(writer, 1, { ...call, credential }));
    assert.throws(() => write({ ...sys, machinename: 'x'.repeat(256) }), XdrError);
    assert.throws(() => write({ ...sys, gids: Array<number>(17).fill(1) }), XdrError);
  });

  it('reads anything else as an XdrError, never as another failure', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        for (const read of [readCallXid, readCallHeader, readReplyXid, readReplyOutcome]) {
          try {
            read(new XdrReader(bytes));
          } catch (error) {
            assert.ok(error instanceof XdrError);
          }
        }
      }),
    );
  });
});
