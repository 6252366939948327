import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { RpcClient, RpcError } from '@rowfs/oncrpc';
import { XdrWriter } from '@rowfs/xdr';
import fc from 'fast-check';
import { codecs } from '../every-procedure.ts';
import { failure } from '../failure.ts';
import { mountProcedures } from '../mount/table.ts';
import type { ProcedureCodec } from '../procedures/procedure.ts';
import { procedureNames, type ProcedureName } from '../procedures/table.ts';
import { MOUNT3_PROGRAM, NFS3_PROGRAM } from '../programs.ts';
import { connectNfs3, type RemoteNfs3Service } from '../remote-service.ts';
import { Mountstat3, Nfsstat3 } from '../status.ts';
import { argsOf, resultOf } from '../test-support/arbitraries.ts';
import { ALICE, ctx } from '../test-support/context.ts';
import { joined } from '../test-support/joined.ts';
import { callOverUdp } from '../test-support/udp-call.ts';
import { createRecorder, type Recorder } from '../test-support/recorder.ts';
import { listenNfs3, type Nfs3ListenOptions, type Nfs3Listener } from './listen.ts';

interface Served extends Recorder {
  readonly listener: Nfs3Listener;
  readonly remote: RemoteNfs3Service;
}

async function serve(
  t: TestContext,
  options: Partial<Omit<Nfs3ListenOptions, 'service'>> = {},
): Promise<Served> {
  const recorder = createRecorder();
  const listener = await listenNfs3({ service: recorder.service, ...options });
  const remote = connectNfs3({
    host: listener.host,
    port: listener.port,
    mountPort: listener.mountPort,
  });
  t.after(async () => {
    await remote.close();
    await listener.close();
  });
  return { ...recorder, listener, remote };
}

function rawClient(
  t: TestContext,
  port: number,
  program: typeof NFS3_PROGRAM | typeof MOUNT3_PROGRAM,
) {
  const client = new RpcClient({ ...program, connect: { host: '127.0.0.1', port } });
  t.after(() => client.close());
  return client;
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- ties args to method
function carries<P extends ProcedureName>(procedure: P): void {
  it(`carries ${procedure} to the service and its answer back`, async (t) => {
    const { remote, calls, answer } = await serve(t);
    const property = fc.asyncProperty(
      argsOf[procedure],
      resultOf[procedure],
      async (args, result) => {
        answer(procedure, result);
        const answered = await remote[procedure](args as never, ctx);
        assert.deepEqual(joined(answered), joined(result));
        const call = calls.at(-1);
        assert.ok(call);
        assert.equal(call.procedure, procedure);
        assert.deepEqual(joined(call.args), joined(args));
        assert.deepEqual(call.credential, ALICE);
      },
    );
    await fc.assert(property, { numRuns: 25 });
  });
}

describe('NFS server and remote service', () => {
  for (const procedure of procedureNames) carries(procedure);

  it('answers NFS3ERR_JUKEBOX when the service could not reach another server', async (t) => {
    const { remote, reject } = await serve(t);
    reject(new RpcError('CONNECTION', 'gone'));
    for (const procedure of procedureNames) {
      const [args] = fc.sample(argsOf[procedure] as fc.Arbitrary<never>, 1);
      const answered = await remote[procedure](args!, ctx);
      assert.deepEqual(answered, failure(procedure, Nfsstat3.JUKEBOX));
    }
    assert.deepEqual(await remote.mount('/', ctx), { status: Mountstat3.IO });
  });

  it('lets nobody wait for what will not pass', async (t) => {
    const { remote, reject } = await serve(t);
    for (const [code, status, mountStatus] of [
      ['AUTH_ERROR', Nfsstat3.ACCES, Mountstat3.ACCES],
      ['PROC_UNAVAIL', Nfsstat3.NOTSUPP, Mountstat3.SERVERFAULT],
      ['BAD_REPLY', Nfsstat3.SERVERFAULT, Mountstat3.SERVERFAULT],
    ] as const) {
      reject(new RpcError(code, 'refused'));
      assert.deepEqual(await remote.getattr({ object: Uint8Array.of(1) }, ctx), { status });
      assert.deepEqual(await remote.mount('/', ctx), { status: mountStatus });
    }
  });

  it('answers SYSTEM_ERR, not GARBAGE_ARGS, to a result that XDR cannot express', async (t) => {
    const { remote, answer } = await serve(t);
    const data = 'one character a byte, \u{1f427}';
    answer('readlink', { status: Nfsstat3.OK, symlinkAttributes: undefined, data });
    const answered = remote.readlink({ symlink: Uint8Array.of(1) }, ctx);
    await assert.rejects(answered, { code: 'SYSTEM_ERR' });
  });

  it('answers NFS3ERR_SERVERFAULT when the service fails in any other way', async (t) => {
    const { remote, reject } = await serve(t);
    reject(new TypeError('a defect'));
    for (const procedure of procedureNames) {
      const [args] = fc.sample(argsOf[procedure] as fc.Arbitrary<never>, 1);
      const answered = await remote[procedure](args!, ctx);
      assert.deepEqual(answered, failure(procedure, Nfsstat3.SERVERFAULT));
    }
    assert.deepEqual(await remote.mount('/', ctx), { status: Mountstat3.SERVERFAULT });
  });

  it('answers arguments that were cut short with GARBAGE_ARGS', async (t) => {
    const { listener, calls } = await serve(t);
    const client = rawClient(t, listener.port, NFS3_PROGRAM);
    for (const procedure of procedureNames) {
      const { number, writeArgs } = codecs[procedure] as ProcedureCodec<unknown, unknown>;
      const anyArgs: fc.Arbitrary<unknown> = argsOf[procedure];
      for (const args of fc.sample(anyArgs, 5)) {
        const writer = new XdrWriter();
        writeArgs(writer, args);
        const bytes = Buffer.concat(writer.finish());
        const cut = bytes.subarray(0, Math.trunc(bytes.length / 8) * 4);
        await assert.rejects(
          client.call(number, (w) => w.fixedOpaque(cut)),
          { code: 'GARBAGE_ARGS' },
        );
        await assert.rejects(
          client.call(number, (w) => {
            w.fixedOpaque(bytes);
            w.uint32(0);
          }),
          { code: 'GARBAGE_ARGS' },
        );
      }
    }
    assert.equal(calls.length, 0);
  });

  it('answers random arguments with GARBAGE_ARGS or a result, and goes on', async (t) => {
    const { listener, remote } = await serve(t);
    const nfs = rawClient(t, listener.port, NFS3_PROGRAM);
    const mount = rawClient(t, listener.port, MOUNT3_PROGRAM);
    // Small numbers, for they are the lengths and discriminants that lead further in.
    const word = fc.oneof(fc.nat({ max: 70 }), fc.nat({ max: 0xffff_ffff }));
    const words = fc.array(word, { maxLength: 60 });
    const ask = async (client: RpcClient, number: number, values: readonly number[]) => {
      try {
        return await client.call(number, (w) => values.forEach((value) => w.uint32(value)));
      } catch (error) {
        const { code } = error as RpcError;
        assert.ok(code === 'GARBAGE_ARGS' || code === 'PROC_UNAVAIL', String(error));
        return undefined;
      }
    };
    const property = fc.asyncProperty(words, fc.nat({ max: 21 }), async (values, number) => {
      await ask(mount, number, values);
      const results = await ask(nfs, number, values);
      const procedure = procedureNames.find((name) => codecs[name].number === number);
      if (results === undefined || procedure === undefined) return;
      assert.equal(codecs[procedure].readResult(results).status, Nfsstat3.NOTSUPP);
      results.end();
    });
    await fc.assert(property, { numRuns: 500 });
    await remote.null(ctx);
  });

  it('goes on after connections that bring random bytes', async (t) => {
    const { listener, remote } = await serve(t);
    const property = fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      const socket = connect(listener.port, listener.host);
      socket.on('error', () => undefined);
      socket.end(bytes);
      socket.resume();
      await once(socket, 'close');
    });
    await fc.assert(property, { numRuns: 50 });
    await remote.null(ctx);
  });

  it('says PROG_UNAVAIL to NFSACL, for which Linux asks', async (t) => {
    const { listener } = await serve(t);
    const client = new RpcClient({
      connect: { host: '127.0.0.1', port: listener.port },
      program: 100_227,
      version: 3,
    });
    t.after(() => client.close());
    await assert.rejects(
      client.call(0, () => undefined),
      { code: 'PROG_UNAVAIL' },
    );
  });
});

describe('MOUNT server', () => {
  const handle = Uint8Array.of(1, 2, 3);
  const mounted = { status: Mountstat3.OK, handle, authFlavors: [1] };

  it('mounts what lies below an export, by its path below the export', async (t) => {
    const { remote, calls, answerMount } = await serve(t, {
      exports: ['/vm', '/vm/deep/er/', '/b'],
    });
    answerMount(mounted);
    for (const [dirpath, below] of [
      ['/vm', '/'],
      ['/vm/', '/'],
      ['//vm//etc/./ssh/', '/etc/ssh'],
      ['/vm/deep', '/deep'],
      ['/vm/deep/er/x', '/x'],
      ['/b/c', '/c'],
    ] as const) {
      assert.deepEqual(await remote.mount(dirpath, ctx), mounted);
      assert.equal(calls.at(-1)?.args, below, dirpath);
    }
  });

  it('takes the empty path for the root, as libnfs does', async (t) => {
    const { remote, calls, answerMount } = await serve(t);
    answerMount(mounted);
    assert.deepEqual(await remote.mount('', ctx), mounted);
    assert.equal(calls.at(-1)?.args, '/');
  });

  it('refuses paths outside of the exports, with dots, and not absolute', async (t) => {
    const { remote, calls, answerMount } = await serve(t, { exports: ['/vm'] });
    answerMount(mounted);
    const noent = { status: Mountstat3.NOENT };
    const inval = { status: Mountstat3.INVAL };
    assert.deepEqual(await remote.mount('/', ctx), noent);
    assert.deepEqual(await remote.mount('/vmx', ctx), noent);
    assert.deepEqual(await remote.mount('/vm/..', ctx), inval);
    assert.deepEqual(await remote.mount('/vm/../vm', ctx), inval);
    assert.deepEqual(await remote.mount('vm', ctx), inval);
    assert.deepEqual(await remote.mount('/vm/a\0b', ctx), inval);
    assert.deepEqual(await remote.mount('', ctx), noent);
    assert.equal(calls.length, 0);
  });

  it('keeps who mounted what until it is unmounted', async (t) => {
    const { remote, listener, answerMount } = await serve(t);
    const client = rawClient(t, listener.port, MOUNT3_PROGRAM);
    const dump = async (): Promise<unknown> =>
      mountProcedures.dump.readResult(
        await client.call(mountProcedures.dump.number, () => undefined),
      );
    await remote.mount('/refused', ctx);
    assert.deepEqual(await dump(), []);
    answerMount(mounted);
    for (const dirpath of ['/a', '/a/', '/b', '/c']) await remote.mount(dirpath, ctx);
    const entries = ['/a', '/b', '/c'].map((directory) => ({ hostname: '127.0.0.1', directory }));
    assert.deepEqual(await dump(), entries);
    await remote.unmount('/b', ctx);
    assert.deepEqual(await dump(), [entries[0], entries[2]]);
    await client.call(mountProcedures.umntall.number, () => undefined);
    assert.deepEqual(await dump(), []);
  });

  it('accepts MNT under AUTH_NONE, which boot loaders send', async (t) => {
    const { listener, calls, answerMount } = await serve(t);
    answerMount(mounted);
    const client = rawClient(t, listener.port, MOUNT3_PROGRAM);
    const { mnt } = mountProcedures;
    const results = await client.call(mnt.number, (writer) => mnt.writeArgs(writer, '/'));
    assert.deepEqual(mnt.readResult(results), mounted);
    assert.deepEqual(calls.at(-1)?.credential, { flavor: 'none' });
  });

  it('lists its exports', async (t) => {
    const { remote } = await serve(t, { exports: ['/vm/', '/vm', '/b'] });
    const groups: string[] = [];
    assert.deepEqual(await remote.exports(ctx), [
      { directory: '/vm', groups },
      { directory: '/b', groups },
    ]);
  });

  it('stands on a port of its own when told to, and is found by way of the portmapper', async (t) => {
    const { listener, answerMount } = await serve(t, { mountPort: 0, portmapPort: 0 });
    assert.notEqual(listener.mountPort, listener.port);
    answerMount(mounted);
    const { host, port, portmapPort } = listener;
    for (const known of [{}, { port }]) {
      const remote = connectNfs3({ host, portmapPort: portmapPort!, ...known });
      t.after(() => remote.close());
      assert.deepEqual(await remote.mount('/', ctx), mounted);
      await remote.null(ctx);
    }
  });

  it('answers MOUNT over UDP on the port of TCP, and NFS not at all', async (t) => {
    for (const options of [{ portmapPort: 0 }, { portmapPort: 0, mountPort: 0 }]) {
      const { listener, answerMount } = await serve(t, options);
      answerMount(mounted);
      const { host, mountPort, portmapPort } = listener;
      const mount = { ...MOUNT3_PROGRAM, procedure: mountProcedures.mnt.number };
      const reply = await callOverUdp({ host, port: mountPort }, mount, (args) => args.string('/'));
      assert.equal(reply.status, 'SUCCESS');
      assert.deepEqual(mountProcedures.mnt.readResult(reply.results), mounted);
      const nfs = await callOverUdp({ host, port: mountPort }, { ...NFS3_PROGRAM, procedure: 0 });
      assert.equal(nfs.status, 'PROG_UNAVAIL');

      const getport = { program: 100_000, version: 2, procedure: 3 };
      const portOf = async (program: number, protocol: number): Promise<number> => {
        const asked = [program, 3, protocol, 0];
        const answer = await callOverUdp({ host, port: portmapPort! }, getport, (args) => {
          for (const word of asked) args.uint32(word);
        });
        return answer.results.uint32();
      };
      assert.equal(await portOf(MOUNT3_PROGRAM.program, 17), mountPort);
      assert.equal(await portOf(MOUNT3_PROGRAM.program, 6), mountPort);
      assert.equal(await portOf(NFS3_PROGRAM.program, 6), listener.port);
      assert.equal(await portOf(NFS3_PROGRAM.program, 17), 0);
    }
  });

  it('rejects when the port that it was told is taken on UDP', async (t) => {
    const taken = createSocket('udp4');
    t.after(() => taken.close());
    taken.bind(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address();
    const { service } = createRecorder();
    await assert.rejects(listenNfs3({ service, port }), { code: 'EADDRINUSE' });
    await assert.rejects(listenNfs3({ service, mountPort: port }), { code: 'EADDRINUSE' });
  });

  it('leaves nothing open when a port cannot be had', async (t) => {
    const { listener } = await serve(t);
    const { service } = createRecorder();
    await assert.rejects(listenNfs3({ service, mountPort: listener.port }), { code: 'EADDRINUSE' });
  });
});
