import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { XdrReader } from '@rowfs/xdr';
import type { HostPort } from './address.ts';
import { RpcClient, type RpcClientOptions } from './client.ts';
import { RpcError, type RpcErrorCode } from './error.ts';
import { readCallXid, writeReplyHeader } from './message.ts';
import { RecordAssembler, RecordEncoder } from './record-marking.ts';
import { createRpcServer } from './server.ts';
import {
  ADD,
  Counter,
  COUNTER_PROGRAM,
  COUNTER_VERSION,
  ECHO,
  FAIL,
  WAIT,
  WHOAMI,
} from './test-support/counter-program.ts';
import { until } from './test-support/until.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };
const COUNTER = { program: COUNTER_PROGRAM, version: COUNTER_VERSION };
const nothing = (): void => undefined;
const code = (expected: RpcErrorCode) => (error: unknown) =>
  error instanceof RpcError && error.code === expected;

/** A server that treats each connection as the test says. */
class ScriptedServer {
  readonly sockets: Socket[] = [];
  readonly #server: Server;

  constructor(onConnection: (socket: Socket, index: number) => void) {
    this.#server = createServer((socket) => {
      socket.on('error', nothing);
      this.sockets.push(socket);
      onConnection(socket, this.sockets.length - 1);
    });
  }

  async listen(): Promise<HostPort> {
    this.#server.listen(LOOPBACK);
    await once(this.#server, 'listening');
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port };
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Calls `onXid` with the xid of each call that arrives. */
function readXids(socket: Socket, onXid: (xid: number) => void): void {
  const assembler = new RecordAssembler(1 << 20);
  socket.on('data', (bytes) =>
    assembler.push(bytes, (record) => onXid(readCallXid(new XdrReader(record)))),
  );
}

function emptyReply(xid: number): Buffer {
  return Buffer.concat(
    new RecordEncoder().encode((writer) => writeReplyHeader(writer, xid, { status: 'SUCCESS' })),
  );
}

async function withScript(
  onConnection: (socket: Socket, index: number) => void,
  options: Partial<RpcClientOptions>,
  test: (client: RpcClient, server: ScriptedServer) => Promise<void>,
): Promise<void> {
  const server = new ScriptedServer(onConnection);
  const client = new RpcClient({ connect: await server.listen(), ...COUNTER, ...options });
  try {
    await test(client, server);
  } finally {
    await client.close();
    await server.close();
  }
}

async function withCounter(test: (client: RpcClient, counter: Counter) => Promise<void>) {
  const counter = new Counter();
  const server = createRpcServer({ programs: [counter], closeGraceMs: 50 });
  const client = new RpcClient({ connect: await server.listen(LOOPBACK), ...COUNTER });
  try {
    await test(client, counter);
  } finally {
    await client.close();
    await server.close();
  }
}

describe('RPC client', () => {
  it('has many calls under way on one connection, each with its own reply', async () => {
    await withCounter(async (client) => {
      const replies = await Promise.all(
        Array.from({ length: 300 }, async (_, i) => {
          const bytes = Buffer.alloc(i * 200, i);
          const results = await client.call(ECHO, (args) => args.opaque(bytes));
          return Buffer.concat(results.opaqueParts(1 << 20)).equals(bytes);
        }),
      );
      assert.ok(replies.every((same) => same));
    });
  });

  it('hands on a large payload in the buffers it was received in', async () => {
    await withCounter(async (client) => {
      const results = await client.call(ECHO, (args) => args.opaque(Buffer.alloc(900_000, 7)));
      const parts = results.opaqueParts(1 << 20);
      assert.ok(parts.every((part) => part.buffer.byteLength === 1 << 20));
      assert.ok(Buffer.concat(parts).equals(Buffer.alloc(900_000, 7)));
    });
  });

  it('rejects with the code of the reply', async () => {
    await withCounter(async (client) => {
      await assert.rejects(client.call(99, nothing), code('PROC_UNAVAIL'));
      await assert.rejects(client.call(ADD, nothing), code('GARBAGE_ARGS'));
      await assert.rejects(client.call(FAIL, nothing), code('SYSTEM_ERR'));
      await assert.rejects(client.call(WHOAMI, nothing), code('AUTH_ERROR'));
    });
  });

  it('sends the credential of the call instead of its own', async () => {
    await withCounter(async (client) => {
      const sys = { flavor: 'sys' as const, stamp: 0, machinename: 'm', uid: 42, gid: 0, gids: [] };
      const results = await client.call(WHOAMI, nothing, { credential: sys });
      assert.equal(results.uint32(), 42);
    });
  });

  it('says which versions there are', async () => {
    const server = createRpcServer({ programs: [new Counter()] });
    const connect = await server.listen(LOOPBACK);
    const client = new RpcClient({ connect, program: COUNTER_PROGRAM, version: 9 });
    await assert.rejects(client.call(0, nothing), { code: 'PROG_MISMATCH', message: /3 to 3/ });
    await client.close();
    await server.close();
  });

  it('sends what waits again, with the same xids, when the connection drops', async () => {
    const xids: number[][] = [];
    const script = (socket: Socket, index: number): void => {
      const seen: number[] = (xids[index] = []);
      readXids(socket, (xid) => {
        seen.push(xid);
        if (index < 2 && seen.length === 3) socket.resetAndDestroy();
        else if (index === 2) socket.write(emptyReply(xid));
      });
    };
    await withScript(script, {}, async (client) => {
      await Promise.all([1, 2, 3].map((procedure) => client.call(procedure, nothing)));
      assert.equal(xids.length, 3);
      assert.deepEqual(xids[1], xids[0]);
      assert.deepEqual(xids[2], xids[0]);
      assert.equal(new Set(xids[0]).size, 3);
    });
  });

  it('goes on when the server dies and another takes its port', async () => {
    const counter = new Counter();
    const first = createRpcServer({ programs: [counter], closeGraceMs: 0 });
    const address = await first.listen(LOOPBACK);
    const client = new RpcClient({ connect: address, ...COUNTER });
    const waiting = client.call(WAIT, nothing);
    await until(() => counter.waiting === 1);
    await first.close();
    counter.release();
    const second = createRpcServer({ programs: [counter] });
    await second.listen(address);
    await waiting;
    assert.equal(counter.waiting, 2, 'the call was sent again');
    assert.equal((await client.call(ADD, (args) => args.uint32(1))).uint32(), 1);
    await client.close();
    await second.close();
  });

  it('connects again for the next call after an idle connection was closed', async () => {
    const script = (socket: Socket): void => readXids(socket, (xid) => socket.end(emptyReply(xid)));
    await withScript(script, { maxFailedConnections: 1 }, async (client, server) => {
      await client.call(0, nothing);
      await once(server.sockets[0]!, 'close');
      await client.call(0, nothing);
      assert.equal(server.sockets.length, 2);
    });
  });

  it('times out when the server accepts and says nothing, and then connects anew', async () => {
    const script = (socket: Socket, index: number): void =>
      readXids(socket, (xid) => {
        if (index > 0) socket.write(emptyReply(xid));
      });
    await withScript(script, { timeoutMs: 200 }, async (client, server) => {
      await assert.rejects(client.call(0, nothing), code('TIMEOUT'));
      await client.call(0, nothing);
      assert.equal(server.sockets.length, 2);
    });
  });

  it('sends a call again on a new connection when the old one went silent', async () => {
    const script = (socket: Socket, index: number): void =>
      readXids(socket, (xid) => {
        if (index > 0) socket.write(emptyReply(xid));
      });
    await withScript(script, { retransmitMs: 50 }, async (client, server) => {
      await client.call(0, nothing);
      assert.equal(server.sockets.length, 2);
    });
  });

  it('ignores replies to calls that nobody waits for', async () => {
    const script = (socket: Socket): void =>
      readXids(socket, (xid) =>
        socket.write(Buffer.concat([1, 0].map((d) => emptyReply(xid ^ d)))),
      );
    await withScript(script, {}, async (client, server) => {
      await client.call(0, nothing);
      await client.call(0, nothing);
      assert.equal(server.sockets.length, 1);
    });
  });

  it('tries another connection after a malformed reply, and gives up after three', async () => {
    const garbage = Buffer.from('800000080000000100000007', 'hex');
    const malformedTwice = (socket: Socket, index: number): void =>
      readXids(socket, (xid) => socket.write(index < 2 ? garbage : emptyReply(xid)));
    await withScript(malformedTwice, {}, async (client) => {
      await client.call(0, nothing);
    });
    const always = (socket: Socket): void => readXids(socket, () => socket.write(garbage));
    await withScript(always, {}, async (client, server) => {
      await assert.rejects(client.call(0, nothing), code('BAD_REPLY'));
      assert.equal(server.sockets.length, 3);
    });
    const endless = (socket: Socket): void =>
      readXids(socket, () => socket.write(Buffer.from('7fffffff', 'hex')));
    await withScript(endless, {}, async (client) => {
      await assert.rejects(client.call(0, nothing), code('BAD_REPLY'));
    });
  });

  it('says CONNECTION, with the cause, when the server cannot be reached', async () => {
    const server = new ScriptedServer(nothing);
    const connect = await server.listen();
    await server.close();
    const refused = { code: 'CONNECTION', message: /ECONNREFUSED/ };
    for (const limit of [{ maxFailedConnections: 2 }, { timeoutMs: 100 }]) {
      const client = new RpcClient({ connect, ...COUNTER, ...limit });
      await assert.rejects(client.call(0, nothing), refused);
      await client.close();
    }
  });

  it('gives up connecting in time', async () => {
    let aborted = false;
    const client = new RpcClient({
      connect: (signal) => {
        signal.addEventListener('abort', () => (aborted = true));
        return new Promise(nothing);
      },
      ...COUNTER,
      connectTimeoutMs: 30,
      maxFailedConnections: 1,
    });
    await assert.rejects(client.call(0, nothing), code('CONNECTION'));
    assert.ok(aborted);
    await client.close();
  });

  it('rejects a call that is aborted, before and while it waits', async () => {
    await withScript(nothing, {}, async (client) => {
      const signal = AbortSignal.abort(new Error('not wanted'));
      await assert.rejects(client.call(0, nothing, { signal }), code('ABORTED'));
      const controller = new AbortController();
      const waiting = client.call(0, nothing, { signal: controller.signal });
      controller.abort();
      await assert.rejects(waiting, code('ABORTED'));
    });
  });

  it('rejects what waits when it is closed, and every call after', async () => {
    await withScript(nothing, {}, async (client, server) => {
      const waiting = assert.rejects(client.call(0, nothing), code('CLOSED'));
      await until(() => server.sockets.length === 1);
      await client.close();
      await waiting;
      await assert.rejects(client.call(0, nothing), code('CLOSED'));
    });
  });

  it('can be closed while it connects', async () => {
    const client = new RpcClient({ connect: () => new Promise(nothing), ...COUNTER });
    const waiting = assert.rejects(client.call(0, nothing), code('CLOSED'));
    await client.close();
    await waiting;
  });
});
