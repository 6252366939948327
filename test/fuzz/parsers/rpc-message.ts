import { createPortmapper, type Credential, NO_CREDENTIAL, ReplyLifetime } from '@rowfs/oncrpc';
import { XdrError, XdrReader, XdrWriter } from '@rowfs/xdr';
import fc from 'fast-check';
import pino from 'pino';
import { Dispatcher } from '../../../packages/oncrpc/src/dispatcher.ts';
import { DuplicateRequestCache } from '../../../packages/oncrpc/src/duplicate-request-cache.ts';
import {
  type CallHeader,
  readCallHeader,
  readCallXid,
  readReplyOutcome,
  readReplyXid,
  type ReplyOutcome,
  writeCallHeader,
  writeReplyHeader,
} from '../../../packages/oncrpc/src/message.ts';
import { RecordEncoder, withoutMark } from '../../../packages/oncrpc/src/record-marking.ts';
import { mustEqual, mustHold, type Parser, unlessRefused } from '../parser.ts';

const PORTMAP = { program: 100_000, version: 2 };
const peer = { address: '127.0.0.1', port: 700 };
const { signal } = new AbortController();
const cache = new DuplicateRequestCache({ maxEntries: 16, maxBytes: 4096, maxAgeMs: 1000 });
const logger = pino({ level: 'silent' });
const dispatcher = new Dispatcher([createPortmapper([])], cache, logger);

/** RFC 5531 section 9: calls as a server reads and answers them, replies as a client does. */
export const rpcMessage: Parser = {
  name: 'rpc-message',
  description: 'ONC RPC calls with their credentials, and replies',
  seeds(seed) {
    const calls = fc.sample(credentials, { seed, numRuns: 20 }).map((credential, i) => {
      const call = { ...PORTMAP, procedure: i % 6, credential };
      return encoded((writer) => writeCallHeader(writer, i, call));
    });
    return [
      ...calls,
      ...outcomes.map((outcome) => encoded((w) => writeReplyHeader(w, 7, outcome))),
    ];
  },
  async run(input) {
    checkCall(input);
    checkReply(input);
    await checkAnswer(input);
  },
};

const uint32 = fc.nat({ max: 0xffff_ffff });
const credentials: fc.Arbitrary<Credential> = fc.oneof(
  fc.constant(NO_CREDENTIAL),
  fc.record({
    flavor: fc.constant('sys' as const),
    stamp: uint32,
    machinename: fc.string({ maxLength: 30 }).map((name) => name.replaceAll(/[^\x20-\xff]/g, '')),
    uid: uint32,
    gid: uint32,
    gids: fc.array(uint32, { maxLength: 16 }),
  }),
);
const outcomes: readonly ReplyOutcome[] = [
  { status: 'SUCCESS' },
  { status: 'PROG_UNAVAIL' },
  { status: 'PROG_MISMATCH', low: 2, high: 4 },
  { status: 'GARBAGE_ARGS' },
  { status: 'RPC_MISMATCH', low: 2, high: 2 },
  { status: 'AUTH_ERROR', authStat: 'AUTH_TOOWEAK' },
];

function checkCall(input: Uint8Array): void {
  const header = callIn(input);
  if (header === undefined) return;
  const again = callIn(encoded((writer) => writeCallHeader(writer, 1, header)));
  mustEqual(again, header, 'a call that was read is written and read alike');
}

function callIn(input: Uint8Array): CallHeader | undefined {
  const reader = new XdrReader(input);
  if (unlessRefused([XdrError], () => readCallXid(reader)) === undefined) return undefined;
  // No catch: what is wrong with a header is a value, for it has to be answered.
  const call = readCallHeader(reader);
  return call.ok ? call.header : undefined;
}

function checkReply(input: Uint8Array): void {
  const outcome = replyIn(input);
  if (outcome === undefined) return;
  const again = replyIn(encoded((writer) => writeReplyHeader(writer, 1, outcome)));
  mustEqual(again, outcome, 'a reply that was read is written and read alike');
}

function replyIn(input: Uint8Array): ReplyOutcome | undefined {
  const reader = new XdrReader(input);
  return unlessRefused([XdrError], () => {
    readReplyXid(reader);
    return readReplyOutcome(reader);
  });
}

/** Whatever is a call gets a reply with its xid. */
async function checkAnswer(input: Uint8Array): Promise<void> {
  const xid = unlessRefused([XdrError], () => readCallXid(new XdrReader(input)));
  if (xid === undefined) return;
  const source = { peer, connectionSignal: signal, serverSignal: signal };
  const reply = await dispatcher.answer([input], source, new RecordEncoder(), new ReplyLifetime());
  if (reply === undefined) return;
  const reader = new XdrReader(withoutMark(reply));
  mustEqual(readReplyXid(reader), xid, 'the reply has the xid of its call');
  mustHold(readReplyOutcome(reader).status !== 'SYSTEM_ERR', 'no call makes the server fail');
}

function encoded(write: (writer: XdrWriter) => void): Uint8Array {
  const writer = new XdrWriter();
  write(writer);
  return Buffer.concat(writer.finish());
}
