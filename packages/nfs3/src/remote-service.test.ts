import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { createRpcServer, type RpcProgram } from '@rowfs/oncrpc';
import { failure } from './failure.ts';
import { NFS3_PROGRAM } from './programs.ts';
import { connectNfs3, type RemoteServiceOptions } from './remote-service.ts';
import { listenNfs3 } from './server/listen.ts';
import { Nfsstat3 } from './status.ts';
import { ALICE, ctx } from './test-support/context.ts';
import { createRecorder } from './test-support/recorder.ts';

const object = Uint8Array.of(1, 2);
const host = '127.0.0.1';

function connect(t: TestContext, options: Omit<RemoteServiceOptions, 'host'>) {
  const remote = connectNfs3({ host, ...options });
  t.after(() => remote.close());
  return remote;
}

/** A port at which nothing listens. */
async function closedPort(): Promise<number> {
  const { port, close } = await listenNfs3({ service: createRecorder().service });
  await close();
  return port;
}

describe('remote service', () => {
  it('goes on with the server that comes back at the same address', async (t) => {
    const { service, calls } = createRecorder();
    const first = await listenNfs3({ service });
    const remote = connect(t, { port: first.port });
    const stale = failure('getattr', Nfsstat3.NOTSUPP);
    assert.deepEqual(await remote.getattr({ object }, ctx), stale);
    await first.close();
    const waiting = remote.getattr({ object }, ctx);
    const second = await listenNfs3({ service, port: first.port });
    t.after(() => second.close());
    assert.deepEqual(await waiting, stale);
    assert.equal(calls.length, 2);
  });

  it('rejects with CONNECTION after the failed connections it was allowed', async (t) => {
    const remote = connect(t, { port: await closedPort(), maxFailedConnections: 1 });
    await assert.rejects(remote.getattr({ object }, ctx), { name: 'RpcError', code: 'CONNECTION' });
  });

  it('rejects with TIMEOUT when the server accepts and says nothing', async (t) => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => void sockets.add(socket));
    await new Promise<void>((resolve) => silent.listen(0, host, resolve));
    t.after(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const { port } = silent.address() as { port: number };
    const remote = connect(t, { port, timeoutMs: 50 });
    await assert.rejects(remote.getattr({ object }, ctx), { code: 'TIMEOUT' });
  });

  it('rejects with ABORTED when the caller gives up, and with CLOSED when it is closed', async (t) => {
    const { service } = createRecorder();
    const never = new Promise<never>(() => undefined);
    const listener = await listenNfs3({ service: { ...service, getattr: () => never } });
    const remote = connect(t, { port: listener.port });
    const { signal, abort } = abortable();
    const aborted = assert.rejects(remote.getattr({ object }, { ...ctx, signal }), {
      code: 'ABORTED',
    });
    const closed = assert.rejects(remote.getattr({ object }, ctx), { code: 'CLOSED' });
    abort();
    await aborted;
    await remote.close();
    await closed;
    await assert.rejects(remote.getattr({ object }, ctx), { code: 'CLOSED' });
    await listener.close();
  });

  it('rejects with BAD_REPLY when a result is not the one that was asked for', async (t) => {
    const nonsense: RpcProgram = {
      ...NFS3_PROGRAM,
      name: 'nonsense',
      procedures: new Map([
        [
          1,
          { name: 'GETATTR', cacheable: false, auth: 'any', call: async () => (w) => w.uint32(4) },
        ],
        [
          19,
          { name: 'FSINFO', cacheable: false, auth: 'any', call: async () => (w) => w.uint32(0) },
        ],
      ]),
    };
    const server = createRpcServer({ programs: [nonsense] });
    t.after(() => server.close());
    const { port } = await server.listen({ host, port: 0 });
    const remote = connect(t, { port });
    await assert.rejects(remote.getattr({ object }, ctx), { code: 'BAD_REPLY' });
    await assert.rejects(remote.fsinfo({ fsroot: object }, ctx), { code: 'BAD_REPLY' });
  });

  it('rejects with BAD_REPLY when READ brings more than was asked for, or not what count says', async (t) => {
    const { service, answer } = createRecorder();
    const listener = await listenNfs3({ service });
    t.after(() => listener.close());
    const remote = connect(t, { port: listener.port });
    const data = [new Uint8Array(10)];
    const ok = { status: Nfsstat3.OK, fileAttributes: undefined, eof: false, data };
    for (const [asked, count] of [
      [9, 10],
      [20, 9],
    ] as const) {
      answer('read', { ...ok, count });
      const answered = remote.read({ file: object, offset: 0, count: asked }, ctx);
      await assert.rejects(answered, { code: 'BAD_REPLY' });
    }
  });

  it('says where it looked when MOUNT is nowhere', async (t) => {
    const server = createRpcServer({ programs: [] });
    t.after(() => server.close());
    const { port } = await server.listen({ host, port: 0 });
    const remote = connect(t, { port, portmapPort: port });
    await assert.rejects(remote.mount('/', ctx), {
      code: 'PROG_UNAVAIL',
      message: new RegExp(`MOUNT is not at port ${port}.*portmapper.*mountPort`),
    });
  });

  it('sends its own credential instead of the callers when it was given one', async (t) => {
    const { service, calls } = createRecorder();
    const listener = await listenNfs3({ service });
    t.after(() => listener.close());
    const credential = { ...ALICE, uid: 4242 };
    const remote = connect(t, { port: listener.port, credential });
    await remote.getattr({ object }, ctx);
    assert.deepEqual(calls[0]!.credential, credential);
  });

  it('asks for no more in one READ than it can take, and promises no more', async (t) => {
    const { service, calls, answer } = createRecorder();
    const listener = await listenNfs3({ service });
    t.after(() => listener.close());
    const remote = connect(t, { port: listener.port });
    const MiB = 1024 * 1024;
    await remote.read({ file: object, offset: 0, count: 64 * MiB }, ctx);
    assert.deepEqual(calls[0]!.args, { file: object, offset: 0, count: MiB });
    const sizes = { rtpref: 4096, rtmult: 1, wtmult: 1, dtpref: 4096 };
    answer('fsinfo', {
      status: Nfsstat3.OK,
      objAttributes: undefined,
      ...sizes,
      rtmax: 64 * MiB,
      wtmax: 64 * MiB,
      wtpref: 64 * MiB,
      maxfilesize: 2n ** 63n - 1n,
      timeDelta: { seconds: 0, nseconds: 1 },
      properties: 27,
    });
    const info = await remote.fsinfo({ fsroot: object }, ctx);
    assert.ok(info.status === Nfsstat3.OK);
    const { rtmax, rtpref, wtmax, wtpref, maxfilesize } = info;
    assert.deepEqual([rtmax, rtpref, wtmax, wtpref], [MiB, 4096, MiB, MiB]);
    assert.equal(maxfilesize, 2n ** 63n - 1n);
  });

  it('hands the data of READ on without copying it', async (t) => {
    const { service, answer } = createRecorder();
    const listener = await listenNfs3({ service });
    t.after(() => listener.close());
    const remote = connect(t, { port: listener.port });
    const data = [new Uint8Array(500_000).fill(7)];
    answer('read', {
      status: Nfsstat3.OK,
      fileAttributes: undefined,
      count: 500_000,
      eof: true,
      data,
    });
    const result = await remote.read({ file: object, offset: 0, count: 500_000 }, ctx);
    assert.ok(result.status === Nfsstat3.OK);
    assert.deepEqual(Buffer.concat(result.data), Buffer.from(data[0]!));
    // Its parts are windows on the slabs that the socket was read into.
    for (const part of result.data) assert.ok(part.buffer.byteLength > part.byteLength);
  });
});

function abortable(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
