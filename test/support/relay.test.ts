import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { startRelay, type LinkSettings, type Relay } from './relay.ts';

/** A server that sends back what it gets, and a relay before it. */
async function relayedEcho(t: TestContext, link: LinkSettings): Promise<Relay> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const relay = await startRelay({
    targetPorts: [(server.address() as AddressInfo).port],
    ...link,
  });
  t.after(async () => {
    await relay.close();
    await once(server.close(), 'close');
  });
  return relay;
}

function connectTo(relay: Relay): Socket {
  return connect({ host: '127.0.0.1', port: relay.ports[0]! });
}

async function echoOf(socket: Socket, sent: Buffer): Promise<Buffer> {
  const received: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  socket.end(sent);
  await once(socket, 'end');
  return Buffer.concat(received);
}

/** A record of `fragments` fragments of `bytes` each. */
function record(fragments: number, bytes: number): Buffer {
  return Buffer.concat(
    Array.from({ length: fragments }, (_, index) => {
      const fragment = Buffer.alloc(4 + bytes, index);
      fragment.writeUInt32BE(bytes + (index === fragments - 1 ? 0x8000_0000 : 0));
      return fragment;
    }),
  );
}

test('a relay passes every byte, in order, however it is shaped', async (t) => {
  const sent = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff));
  for (const link of [{}, { roundTripMs: 10 }, { roundTripMs: 4, bytesPerSecond: 10_000_000 }]) {
    const relay = await relayedEcho(t, link);
    assert.ok((await echoOf(connectTo(relay), sent)).equals(sent));
  }
});

test('a relay delays by at least the round trip, and by the rate', async (t) => {
  const far = await relayedEcho(t, { roundTripMs: 100 });
  const beforeFar = performance.now();
  await echoOf(connectTo(far), Buffer.from('x'));
  // One round trip to connect and one for the echo, less the timers' grain in each direction.
  assert.ok(performance.now() - beforeFar >= 198);

  const narrow = await relayedEcho(t, { bytesPerSecond: 100_000 });
  const beforeNarrow = performance.now();
  await echoOf(connectTo(narrow), Buffer.alloc(20_000));
  assert.ok(performance.now() - beforeNarrow >= 198);
});

test('a relay counts records, not fragments, in each direction', async (t) => {
  const relay = await relayedEcho(t, {});
  await echoOf(connectTo(relay), Buffer.concat([record(1, 40), record(3, 7), record(2, 0)]));
  assert.deepEqual(relay.records, { toServer: 3, toClient: 3 });
});

test('a relay counts calls by program and procedure, however they are cut', async (t) => {
  const relay = await relayedEcho(t, {});
  const call = (program: number, procedure: number): Buffer => {
    const whole = record(1, 40);
    whole.writeUInt32BE(program, 4 + 12);
    whole.writeUInt32BE(procedure, 4 + 20);
    return whole;
  };
  const socket = connectTo(relay);
  const calls = Buffer.concat([call(100_003, 6), call(100_003, 6), record(2, 8), call(100_005, 1)]);
  for (let at = 0; at < calls.length; at += 7) {
    socket.write(calls.subarray(at, at + 7));
    await new Promise(setImmediate);
  }
  await echoOf(socket, Buffer.alloc(0));
  assert.deepEqual(relay.calls, { '100003.6': 2, '100005.1': 1 });
});

test('a black hole keeps what is sent and gives it back when it ends', async (t) => {
  const relay = await relayedEcho(t, {});
  const socket = connectTo(relay);
  socket.write('before');
  assert.equal(String((await once(socket, 'data'))[0]), 'before');

  relay.blackHole();
  socket.write('during');
  // Long enough that it would have come back; that it has not is checked by what comes first below.
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(socket.bytesRead, 'before'.length);
  relay.restore();
  assert.equal(String((await once(socket, 'data'))[0]), 'during');
  socket.destroy();
});

test('a reset is seen as a reset, and the next connection works', async (t) => {
  const relay = await relayedEcho(t, {});
  const socket = connectTo(relay);
  socket.write('x');
  await once(socket, 'data');
  const failed = once(socket, 'error') as Promise<[NodeJS.ErrnoException]>;
  relay.reset();
  assert.equal((await failed)[0].code, 'ECONNRESET');
  assert.equal(String(await echoOf(connectTo(relay), Buffer.from('again'))), 'again');
});
