import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Libp2p, Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import fc from 'fast-check';
import { pino } from 'pino';
import { systemClock } from '../clock.ts';
import { RegistryError } from '../errors.ts';
import { generateIdentity } from '../identity.ts';
import { startLibp2p } from '../libp2p-node.ts';
import { createRegistryNode, type RegistryNode } from '../node.ts';
import { encodeCbor } from '../records/signed-record.ts';
import { VirtualClock } from '../twin/virtual-clock.ts';
import { Allowance } from './allowances.ts';
import { encodeFrame, FrameDecoder } from './frame.ts';
import { Libp2pTransport } from './libp2p-transport.ts';
import { MAX_REQUEST_BYTES, REGISTRY_PROTOCOL, type RequestHandler } from './messages.ts';
import { serveStream } from './serve-stream.ts';

const LOOPBACK = '/ip4/127.0.0.1/tcp/0';
const MIB = 2 ** 20;
const findNode = { op: 'find-node', key: new Uint8Array(32) } as const;
const getServers = {
  op: 'get-servers',
  appliance: `debian@${generateIdentity().peerId}`,
  version: '1',
} as const;

function tcpAddress(node: RegistryNode): { host: string; port: number } {
  const port = /tcp\/(?<port>\d+)/.exec(node.addresses()[0] ?? '')?.groups?.['port'];
  return { host: '127.0.0.1', port: Number(port) };
}

describe('frames', () => {
  it('come out as they went in, however the bytes are cut', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 });
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 20 })), (sent, cuts) => {
        const decoder = new FrameDecoder(50);
        const wire = Buffer.concat(sent.map(encodeFrame));
        const received: Uint8Array[] = [];
        let at = 0;
        for (const length of [...cuts, wire.length]) {
          received.push(...decoder.push(wire.subarray(at, at + length)).map((m) => m.slice()));
          at += length;
        }
        assert.deepEqual(
          received.map((m) => Buffer.from(m)),
          sent.map((m) => Buffer.from(m)),
        );
      }),
    );
  });

  it('longer than the limit are refused at their first bytes', () => {
    const decoder = new FrameDecoder(50);
    assert.throws(() => decoder.push(new Uint8Array([0, 0, 0, 51])), {
      code: 'PROTOCOL_VIOLATION',
    });
  });
});

describe('a node under hostile bytes', () => {
  let node: RegistryNode;
  let attacker: Libp2p;
  before(async () => {
    const logger = pino({ level: 'silent' });
    node = await createRegistryNode({
      ephemeral: true,
      listen: [LOOPBACK],
      bootstrap: [],
      mode: 'server',
      logger,
    });
    const identity = generateIdentity();
    ({ libp2p: attacker } = await startLibp2p({ identity, listen: [LOOPBACK], mode: 'client' }));
  });
  after(async () => {
    await attacker.stop();
    await node.close();
  });

  const open = (): Promise<Stream> =>
    attacker.dialProtocol(
      node.addresses().map((known) => multiaddr(known)),
      REGISTRY_PROTOCOL,
    );
  /** Resolves when the node has ended the stream. */
  const ended = (stream: Stream): Promise<unknown> =>
    stream.status === 'open' ? once(stream as unknown as EventTarget, 'close') : Promise.resolve();
  const ask = async (): Promise<unknown> => {
    const transport = new Libp2pTransport(attacker, systemClock);
    try {
      return await transport.request<'find-node'>(
        { id: node.peerId, addresses: node.addresses() },
        findNode,
        2000,
      );
    } finally {
      await transport.close();
    }
  };

  it('ends the stream on what is no request, and goes on serving', async () => {
    const hostile: [string, Uint8Array][] = [
      ['not CBOR', encodeFrame(new Uint8Array([0xff, 0xff]))],
      ['no request', encodeFrame(encodeCbor({ hello: 'world' }))],
      ['an unknown operation', encodeFrame(encodeCbor([1, { op: 'format-disk' }]))],
      ['a wrong key', encodeFrame(encodeCbor([1, { op: 'find-node', key: new Uint8Array(5) }]))],
      ['extra fields', encodeFrame(encodeCbor([1, { ...findNode, admin: true }]))],
      ['an empty message', encodeFrame(new Uint8Array())],
      ['a length beyond the limit', new Uint8Array([0xff, 0xff, 0xff, 0xff])],
      ['a long message', encodeFrame(new Uint8Array(MAX_REQUEST_BYTES + 1))],
    ];
    for (const [what, bytes] of hostile) {
      const stream = await open();
      const closed = ended(stream);
      stream.send(bytes);
      await closed;
      assert.notEqual(stream.status, 'open', what);
    }
    assert.deepEqual(await ask(), { closer: [] });
  });

  it('survives random bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 400 }), async (bytes) => {
        const stream = await open();
        stream.send(bytes);
        stream.abort(new Error('enough'));
      }),
      { numRuns: 60 },
    );
    assert.deepEqual(await ask(), { closer: [] });
  });

  it('cuts off a peer that begins a request and does not go on', async () => {
    const clock = new VirtualClock();
    const stream = new EventTarget() as unknown as Stream & { status: string };
    let reason: Error | undefined;
    Object.assign(stream, {
      status: 'open',
      readStatus: 'readable',
      abort: (error: Error) => {
        reason = error;
      },
    });
    const handle: RequestHandler = () => Promise.reject(new Error('never asked'));
    const allowance = new Allowance(clock);
    serveStream(stream, 'slow', { handle, allowance, clock, logger: pino({ level: 'silent' }) });
    // One byte in a second is no silence, and no request either.
    for (const byte of [0, 0, 1, 0, 7, 7, 7, 7, 7]) {
      const data = new Uint8Array([byte]);
      stream.dispatchEvent(Object.assign(new Event('message'), { data }));
      await clock.advance(1000);
      assert.equal(reason, undefined);
    }
    await clock.advance(1000);
    assert.match(String(reason), /did not come to its end/);
  });

  it('goes on serving with 1,000 connections that say nothing', async () => {
    const { host, port } = tcpAddress(node);
    const before = process.memoryUsage.rss();
    const silent = Array.from({ length: 1000 }, () => connect({ host, port }));
    const gone = silent.map((socket) => {
      // Shown out is shown out, by an end or by a reset.
      socket.on('error', () => undefined).resume();
      return new Promise((resolve) => socket.on('close', resolve));
    });
    try {
      // Who is connected does not notice.
      assert.deepEqual(await ask(), { closer: [] });
      // A newcomer gets in as soon as the silent ones were shown out.
      const { libp2p } = await startLibp2p({
        identity: generateIdentity(),
        listen: [],
        mode: 'client',
      });
      const transport = new Libp2pTransport(libp2p, systemClock);
      const peer = { id: node.peerId, addresses: node.addresses() };
      let answer: unknown;
      while (answer === undefined) {
        answer = await transport
          .request<'find-node'>(peer, findNode, 2000)
          .catch(() => new Promise((resolve) => setTimeout(resolve, 100)));
      }
      assert.deepEqual(answer, { closer: [] });
      await transport.close();
      await libp2p.stop();
      await Promise.all(gone);
      const grown = process.memoryUsage.rss() - before;
      assert.ok(
        grown < 1000 * 128 * 1024,
        `${grown} bytes more, with both ends of the connections`,
      );
    } finally {
      for (const socket of silent) socket.destroy();
    }
  });

  it('works on no more than the allowance of a peer, and on the requests of others meanwhile', async () => {
    const transport = new Libp2pTransport(attacker, systemClock);
    const peer = { id: node.peerId, addresses: node.addresses() };
    let answered = 0;
    const flood = Array.from({ length: 2600 }, () =>
      transport.request<'find-node'>(peer, findNode, 30_000).then(() => {
        answered += 1;
      }),
    );
    const { libp2p } = await startLibp2p({
      identity: generateIdentity(),
      listen: [],
      mode: 'client',
    });
    const other = new Libp2pTransport(libp2p, systemClock);
    assert.deepEqual(await other.request<'find-node'>(peer, findNode, 10_000), { closer: [] });
    await Promise.all(flood);
    assert.equal(answered, 2600, 'what is too much at once is only later');
    await transport.close();
    await other.close();
    await libp2p.stop();
  });

  it('gives a peer four streams of the protocol, and no endless number', async () => {
    const streams = await Promise.allSettled(Array.from({ length: 50 }, () => open()));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const serving = streams.filter(
      (each) => each.status === 'fulfilled' && each.value.status === 'open',
    );
    assert.ok(serving.length <= 4, `${serving.length} streams`);
    for (const each of streams) {
      if (each.status === 'fulfilled') each.value.abort(new Error('enough'));
    }
    assert.deepEqual(await ask(), { closer: [] });
  });

  it('answers the rest of a peer whose message is unfinished', async () => {
    const stalled = await open();
    stalled.send(new Uint8Array([0, 0, 1, 0, 1]));
    assert.deepEqual(await ask(), { closer: [] });
    stalled.abort(new Error('enough'));
  });

  it('answers many requests on one stream, each with its own id', async () => {
    const transport = new Libp2pTransport(attacker, systemClock);
    const peer = { id: node.peerId, addresses: node.addresses() };
    const answers = await Promise.all(
      Array.from({ length: 300 }, () => transport.request<'find-node'>(peer, findNode, 5000)),
    );
    assert.equal(answers.length, 300);
    const streams = attacker.getConnections().flatMap((connection) => connection.streams);
    assert.equal(streams.filter(({ protocol }) => protocol === REGISTRY_PROTOCOL).length, 1);
    await transport.close();
  });

  it('is asked again on a fresh stream when the kept one has ended', async () => {
    const transport = new Libp2pTransport(attacker, systemClock);
    const peer = { id: node.peerId, addresses: node.addresses() };
    await transport.request<'find-node'>(peer, findNode, 2000);
    for (const stream of attacker.getConnections().flatMap((connection) => connection.streams)) {
      if (stream.protocol === REGISTRY_PROTOCOL) stream.abort(new Error('cut'));
    }
    assert.deepEqual(await transport.request<'find-node'>(peer, findNode, 2000), { closer: [] });
    await transport.close();
  });
});

describe('a peer that answers badly', () => {
  it('fails the request with PROTOCOL_VIOLATION, and a silent one with PEER_TIMEOUT', async () => {
    const mute = await startLibp2p({
      identity: generateIdentity(),
      listen: [LOOPBACK],
      mode: 'client',
    });
    const asking = await startLibp2p({ identity: generateIdentity(), listen: [], mode: 'client' });
    const transport = new Libp2pTransport(asking.libp2p, systemClock);
    const peer = {
      id: mute.libp2p.peerId.toString(),
      addresses: mute.libp2p.getMultiaddrs().map(String),
    };
    let answer: Uint8Array | undefined;
    await mute.libp2p.handle(REGISTRY_PROTOCOL, (stream) => {
      stream.addEventListener('message', () => {
        if (answer !== undefined) stream.send(answer);
      });
    });
    try {
      const request = () => transport.request<'find-node'>(peer, findNode, 200);
      await assert.rejects(request(), { code: 'PEER_TIMEOUT' });
      answer = encodeFrame(new Uint8Array([0xff]));
      await assert.rejects(request(), { code: 'PROTOCOL_VIOLATION' });
      // Too long an answer to this: it ends at its first bytes.
      answer = encodeFrame(new Uint8Array(4 * MIB - 4));
      await assert.rejects(request(), { code: 'PROTOCOL_VIOLATION', message: /the limit is/ });
      answer = encodeFrame(encodeCbor([1, null, { closer: 'everyone' }]));
      await assert.rejects(request(), { code: 'PROTOCOL_VIOLATION' });
      await mute.libp2p.stop();
      await assert.rejects(request(), (error) => {
        assert.ok(error instanceof RegistryError);
        assert.equal(error.code, 'PEER_UNREACHABLE');
        return true;
      });
    } finally {
      await transport.close();
      await asking.libp2p.stop();
      await mute.libp2p.stop();
    }
  });

  it('takes no more memory for one that answers each request with 4 MiB', async () => {
    const generous = await startLibp2p({
      identity: generateIdentity(),
      listen: [LOOPBACK],
      mode: 'client',
    });
    const asking = await startLibp2p({ identity: generateIdentity(), listen: [], mode: 'client' });
    const transport = new Libp2pTransport(asking.libp2p, systemClock);
    const peer = {
      id: generous.libp2p.peerId.toString(),
      addresses: generous.libp2p.getMultiaddrs().map(String),
    };
    const answer = encodeFrame(new Uint8Array(4 * MIB - 4));
    await generous.libp2p.handle(REGISTRY_PROTOCOL, (stream) => {
      stream.addEventListener('message', () => stream.send(answer));
    });
    // The first is refused by its length, the second is read whole before it proves to be no answer.
    const refuse = async (): Promise<void> => {
      await assert.rejects(transport.request<'find-node'>(peer, findNode, 10_000), {
        code: 'PROTOCOL_VIOLATION',
        message: /the limit is/,
      });
      await assert.rejects(transport.request<'get-servers'>(peer, getServers, 10_000), {
        code: 'PROTOCOL_VIOLATION',
        message: /sent no answer: CBOR/,
      });
    };
    try {
      await refuse();
      const before = process.memoryUsage.rss();
      let most = before;
      for (let sent = 0; sent < 768 * MIB; sent += 2 * answer.length) {
        await refuse();
        most = Math.max(most, process.memoryUsage.rss());
      }
      assert.ok(most - before < 256 * MIB, `${most - before} bytes more`);
    } finally {
      await transport.close();
      await asking.libp2p.stop();
      await generous.libp2p.stop();
    }
  });
});
