import { RegistryError } from '@rowfs/registry';
import pino from 'pino';
import { Allowance } from '../../../registry/src/protocol/allowances.ts';
import { encodeFrame, FrameDecoder } from '../../../registry/src/protocol/frame.ts';
import {
  MAX_RESPONSE_BYTES,
  type Operation,
  type Request,
  type RequestHandler,
  type ResponseOf,
  responseSchemas,
} from '../../../registry/src/protocol/messages.ts';
import { RequestStream } from '../../../registry/src/protocol/request-stream.ts';
import { serveStream } from '../../../registry/src/protocol/serve-stream.ts';
import { decodeCbor, encodeCbor } from '../../../registry/src/records/signed-record.ts';
import { VirtualClock } from '../../../registry/src/twin/virtual-clock.ts';
import { BrokenProperty, mustHold, type Parser } from '../parser.ts';
import { appliance, publisher, version } from './registry-samples.ts';

type Stream = Parameters<typeof serveStream>[0];

const { peerId } = publisher;
const record = new Uint8Array(20);
const key = new Uint8Array(32);
const lease = { appliance, version, lease: 'a' };

const requests: readonly Request[] = [
  { op: 'find-node', key },
  { op: 'get-latest', appliance },
  { op: 'put-latest', appliance, record },
  { op: 'get-servers', appliance, version },
  { op: 'put-server', appliance, version, record },
  { op: 'get-sharers', appliance, version },
  { op: 'put-lease', ...lease, ttlSeconds: 30 },
  { op: 'release-lease', ...lease },
];
const peer = { id: peerId, addresses: ['/ip4/127.0.0.1/tcp/4711'] };
const responses: { readonly [O in Operation]: ResponseOf<O> } = {
  'find-node': { closer: [peer] },
  'get-latest': { record },
  'put-latest': {},
  'get-servers': { records: [record, record] },
  'put-server': {},
  'get-sharers': {
    count: 1,
    sharers: [{ client: peerId, lease: 'a' }],
    sketch: null,
    unsure: false,
    absent: [peer],
  },
  'put-lease': { refreshSeconds: 15 },
  'release-lease': {},
};

/**
 * Inputs are one byte and what a peer sends: bit 0 says whether to a node that serves it or to one
 * that waits for answers, the other bits which answers.
 */
export const registryProtocol: Parser = {
  name: 'registry-protocol',
  description: 'the length-prefixed CBOR of the registry nodes, both ends',
  seeds: () =>
    requests.flatMap((request, i) => {
      const answer = [1, null, responses[request.op]];
      return [
        Buffer.concat([Uint8Array.of(0), encodeFrame(encodeCbor([i, request]))]),
        Buffer.concat([Uint8Array.of(2 * i + 1), encodeFrame(encodeCbor(answer))]),
        Buffer.concat([Uint8Array.of(2 * i + 1), encodeFrame(encodeCbor([1, 'EXPIRED', 'old']))]),
      ];
    }),
  async run(input) {
    const selector = input[0] ?? 0;
    const bytes = input.subarray(1);
    const request = requests[(selector >> 1) % requests.length];
    if ((selector & 1) === 0) await checkServing(bytes);
    else if (request !== undefined) await checkAsking(request, bytes);
  },
};

/** What a node and its peer say on one stream, without a network between them. */
class StreamTwin extends EventTarget {
  readonly sent: Uint8Array[] = [];
  status: 'open' | 'aborted' | 'closed' = 'open';
  readonly writableNeedsDrain = false;

  send(bytes: Uint8Array): boolean {
    this.sent.push(bytes);
    return true;
  }

  abort(): void {
    this.status = 'aborted';
  }

  async close(): Promise<void> {
    this.status = 'closed';
  }

  pause(): void {
    // What was dispatched is worked on; nothing more comes.
  }

  resume(): void {
    // As above.
  }

  /** The peer sends `bytes` and ends its side. */
  deliver(bytes: Uint8Array): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: bytes }));
    this.dispatchEvent(new Event('remoteCloseWrite'));
  }

  /** As the parts under test know it; they use no more of it than there is above. */
  asStream(): Stream {
    return this as unknown as Stream;
  }
}

async function checkServing(bytes: Uint8Array): Promise<void> {
  let failed: string | undefined;
  // Whatever a handler is given fits its schema, so this one can answer anything.
  const handle: RequestHandler = async (_, { op }) => responses[op];
  const logger = pino({
    level: 'error',
    hooks: {
      logMethod(parts) {
        failed = JSON.stringify(parts);
      },
    },
  });
  const twin = new StreamTwin();
  const clock = new VirtualClock();
  const allowance = new Allowance(clock);
  serveStream(twin.asStream(), peerId, { handle, allowance, clock, logger });
  twin.deliver(bytes);
  await settled();
  if (failed !== undefined) throw new BrokenProperty(`no request makes the node fail: ${failed}`);
  for (const answer of twin.sent) {
    const messages = new FrameDecoder(MAX_RESPONSE_BYTES).push(answer);
    mustHold(messages.length === 1, 'an answer is one frame');
    mustHold(Array.isArray(decodeCbor(messages[0] ?? record)), 'an answer is CBOR of ours');
  }
}

async function checkAsking(request: Request, bytes: Uint8Array): Promise<void> {
  const twin = new StreamTwin();
  const stream = new RequestStream(twin.asStream(), peerId, new VirtualClock());
  const asked = stream.request(request, 1000).then(
    (response) => {
      const parsed = responseSchemas[request.op].safeParse(response);
      mustHold(parsed.success, 'what resolves is a response to what was asked');
    },
    (error: unknown) => {
      if (!(error instanceof RegistryError)) throw error;
    },
  );
  twin.deliver(bytes);
  // The peer has ended its side: whatever it sent, nobody waits any longer.
  await asked;
}

/** When everything that needs no input and no timer has happened. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
