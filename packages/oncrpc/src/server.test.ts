import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { HostPort } from './address.ts';
import { RpcClient } from './client.ts';
import type { ReplyOutcome } from './message.ts';
import { createRpcServer, type RpcServer, type RpcServerOptions } from './server.ts';
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
import { encodeCall, type RawCall, RawPeer } from './test-support/raw-peer.ts';
import { until } from './test-support/until.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };
const COUNTER = { program: COUNTER_PROGRAM, version: COUNTER_VERSION };
const ROOT = { flavor: 'sys' as const, stamp: 1, machinename: 'h', uid: 0, gid: 0, gids: [] };

function add(xid: number, amount: number): RawCall {
  return { xid, ...COUNTER, procedure: ADD, writeArgs: (writer) => writer.uint32(amount) };
}

function echo(xid: number, bytes: Uint8Array): RawCall {
  return { xid, ...COUNTER, procedure: ECHO, writeArgs: (writer) => writer.opaque(bytes) };
}

/** Runs `test` against a server of its own. */
async function withServer(
  options: Partial<RpcServerOptions>,
  test: (parts: { server: RpcServer; address: HostPort; counter: Counter }) => Promise<void>,
): Promise<void> {
  const counter = new Counter();
  const server = createRpcServer({ programs: [counter], closeGraceMs: 50, ...options });
  try {
    await test({ server, address: await server.listen(LOOPBACK), counter });
  } finally {
    await server.close();
  }
}

describe('RPC server', () => {
  describe('outcomes of RFC 5531', () => {
    const counter = new Counter();
    const versionFive = {
      program: COUNTER_PROGRAM,
      version: 5,
      name: 'COUNTER',
      procedures: counter.procedures,
    };
    const server = createRpcServer({ programs: [counter, versionFive] });
    let peer: RawPeer;
    before(async () => {
      peer = await RawPeer.connect(await server.listen(LOOPBACK));
    });
    after(async () => {
      await peer.close();
      await server.close();
    });

    const cases: [string, RawCall, ReplyOutcome][] = [
      ['NULL of any program', { ...COUNTER, procedure: 0 }, { status: 'SUCCESS' }],
      [
        'an unknown program',
        { program: 100227, version: 3, procedure: 0 },
        { status: 'PROG_UNAVAIL' },
      ],
      [
        'an unknown version, even of NULL',
        { program: COUNTER_PROGRAM, version: 4, procedure: 0 },
        { status: 'PROG_MISMATCH', low: 3, high: 5 },
      ],
      ['an unknown procedure', { ...COUNTER, procedure: 99 }, { status: 'PROC_UNAVAIL' }],
      ['missing arguments', { ...COUNTER, procedure: ADD }, { status: 'GARBAGE_ARGS' }],
      ['a defect', { ...COUNTER, procedure: FAIL }, { status: 'SYSTEM_ERR' }],
      [
        'AUTH_NONE where AUTH_SYS is needed',
        { ...COUNTER, procedure: WHOAMI },
        { status: 'AUTH_ERROR', authStat: 'AUTH_TOOWEAK' },
      ],
      [
        'AUTH_SYS where it is needed',
        { ...COUNTER, procedure: WHOAMI, credential: ROOT },
        { status: 'SUCCESS' },
      ],
    ];
    for (const [what, call, expected] of cases) {
      it(`answers ${what} with ${expected.status}`, async () => {
        const reply = await peer.ask({ ...call, xid: 77 });
        assert.equal(reply.xid, 77);
        assert.deepEqual(reply.outcome, expected);
      });
    }

    it('refuses a program that is given twice', () => {
      assert.throws(() => createRpcServer({ programs: [counter, counter] }), TypeError);
    });
  });

  it('answers a call that comes in many fragments, byte by byte', async () => {
    await withServer({}, async ({ address }) => {
      const peer = await RawPeer.connect(address);
      const whole = encodeCall(echo(5, Buffer.from('fragmented'))).subarray(4);
      for (const [i, byte] of whole.entries()) {
        const last = i === whole.length - 1 ? 0x80 : 0;
        peer.send(Buffer.from([0, 0, 0, 0, last, 0, 0, 1, byte]));
      }
      const { results } = await peer.reply();
      assert.equal(results.string(100), 'fragmented');
      await peer.close();
    });
  });

  it('survives whatever bytes it is sent, and answers the next connection', async () => {
    await withServer({ maxRecordBytes: 4096 }, async ({ server, address }) => {
      const valid = encodeCall({ ...echo(1, Buffer.alloc(40)), credential: ROOT });
      const hostile = fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        // Well marked, so that the bytes get as far as the message and the arguments.
        fc.uint8Array({ maxLength: 200 }).map((body) => marked(body)),
        // A valid call with a few bytes changed, or cut short.
        fc
          .tuple(fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255))), fc.nat(valid.length))
          .map(([changes, length]) => {
            const spoiled = Buffer.from(valid);
            for (const [at, value] of changes) spoiled[at] = value;
            return marked(spoiled.subarray(4, Math.max(4, length)));
          }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(hostile, { minLength: 1, maxLength: 4 }), async (chunks) => {
          const attacker = await RawPeer.connect(address);
          for (const chunk of chunks) attacker.send(chunk);
          attacker.socket.end();
          await attacker.closed;
          const peer = await RawPeer.connect(address);
          assert.equal((await peer.ask({ ...COUNTER, procedure: 0 })).outcome.status, 'SUCCESS');
          await peer.close();
        }),
        { numRuns: 150 },
      );
      await until(() => server.connections() === 0);
    });
  });

  it('closes a connection whose record is too long, and one that sends a reply', async () => {
    await withServer({ maxRecordBytes: 100 }, async ({ address }) => {
      for (const bytes of ['80000065', '800000080000000100000001', '80000000']) {
        const peer = await RawPeer.connect(address);
        peer.send(Buffer.from(bytes, 'hex'));
        await assert.rejects(peer.reply(), /closed the connection/);
      }
    });
  });

  it('goes on with other calls when a procedure fails or its results cannot be written', async () => {
    await withServer({}, async ({ address, counter }) => {
      const unwritable = {
        name: 'UNWRITABLE',
        cacheable: false,
        auth: 'any' as const,
        call: async () => (results: { uint53(value: number): void }) => results.uint53(-1),
      };
      (counter.procedures as Map<number, typeof unwritable>).set(50, unwritable);
      const peer = await RawPeer.connect(address);
      const defect = await peer.ask({ ...COUNTER, procedure: 50 });
      assert.equal(defect.outcome.status, 'SYSTEM_ERR');
      assert.equal(defect.results.remaining, 0, 'nothing half-written follows');
      assert.equal((await peer.ask(add(2, 4))).results.uint32(), 4);
      await peer.close();
    });
  });

  it('answers what a half-closed connection still waits for', async () => {
    await withServer({}, async ({ address }) => {
      const peer = await RawPeer.connect(address);
      peer.send(Buffer.concat([encodeCall(add(1, 2)), encodeCall(add(2, 3))]));
      peer.socket.end();
      assert.equal((await peer.reply()).results.uint32(), 2);
      assert.equal((await peer.reply()).results.uint32(), 5);
      await peer.closed;
    });
  });

  it('serves any byte stream', async () => {
    await withServer({}, async ({ server }) => {
      const [near, far] = duplexPair();
      server.serve(far, { address: 'somewhere', port: 0 });
      const client = new RpcClient({ connect: async () => near, ...COUNTER });
      const results = await client.call(ADD, (args) => args.uint32(3));
      assert.equal(results.uint32(), 3);
      // Neither end of a duplexPair notices that the other was destroyed; closing the server does.
      await client.close();
    });
  });

  it('begins no more calls than allowed at a time, and all of them in the end', async () => {
    await withServer({ maxInFlightPerConnection: 3 }, async ({ address, counter }) => {
      const peer = await RawPeer.connect(address);
      const wait = (xid: number): Buffer => encodeCall({ xid, ...COUNTER, procedure: WAIT });
      peer.send(Buffer.concat(Array.from({ length: 20 }, (_, xid) => wait(xid))));
      const other = await RawPeer.connect(address);
      await other.ask(add(1, 1));
      await until(() => counter.waiting > 0);
      assert.equal(counter.waiting, 3);
      counter.release();
      for (let i = 0; i < 20; i += 1) await peer.reply();
      assert.equal(counter.waiting, 20);
      await Promise.all([peer.close(), other.close()]);
    });
  });

  it('stops reading from a peer that does not take its replies', async () => {
    await withServer({ maxUnsentBytesPerConnection: 100_000 }, async ({ address }) => {
      const peer = await RawPeer.connect(address);
      peer.socket.pause();
      // Far more than loopback's socket buffers hold in both directions.
      const payload = Buffer.alloc(500_000, 1);
      const calls = 100;
      for (let xid = 0; xid < calls; xid += 1) peer.send(encodeCall(echo(xid, payload)));
      const other = await RawPeer.connect(address);
      for (let i = 0; i < 200; i += 1) await other.ask({ ...COUNTER, procedure: 0 });
      assert.ok(peer.socket.writableLength > 0, 'calls were left unread');
      peer.socket.resume();
      for (let i = 0; i < calls; i += 1) {
        const { results } = await peer.reply();
        assert.equal(results.opaque(500_000).length, 500_000);
      }
      await Promise.all([peer.close(), other.close()]);
    });
  });

  it('takes no more connections than allowed', async () => {
    await withServer({ maxConnections: 1 }, async ({ server, address }) => {
      const first = await RawPeer.connect(address);
      await first.ask(add(1, 1));
      const second = await RawPeer.connect(address);
      await second.closed;
      assert.equal(server.connections(), 1);
      await first.close();
    });
  });

  it('aborts a call that can be repeated when its connection is reset', async () => {
    await withServer({}, async ({ address, counter }) => {
      const peer = await RawPeer.connect(address);
      peer.send(encodeCall({ ...COUNTER, procedure: WAIT }));
      await until(() => counter.waiting === 1);
      peer.socket.resetAndDestroy();
      await until(() => counter.aborted === 1);
    });
  });

  it('lets calls in flight finish when it closes, aborts those that last, and is gone', async () => {
    await withServer({}, async ({ server, address, counter }) => {
      let open: () => void = () => undefined;
      const opened = new Promise<void>((resolve) => (open = resolve));
      counter.gate = () => opened;
      const [quick, slow] = await Promise.all([RawPeer.connect(address), RawPeer.connect(address)]);
      quick.send(encodeCall(add(1, 9)));
      slow.send(encodeCall({ ...COUNTER, procedure: WAIT }));
      await until(() => counter.begun === 1 && counter.waiting === 1);
      const closed = server.close();
      open();
      assert.equal((await quick.reply()).results.uint32(), 9);
      await closed;
      assert.equal(counter.aborted, 1);
      assert.equal(server.connections(), 0);
      await Promise.all([quick.closed, slow.closed]);
      await assert.rejects(RawPeer.connect(address), { code: 'ECONNREFUSED' });
    });
  });

  it('rejects when the port is in use', async () => {
    await withServer({}, async ({ server, address }) => {
      await assert.rejects(server.listen(address), { code: 'EADDRINUSE' });
    });
  });

  describe('duplicate request cache', () => {
    it('answers a call re-sent on another connection from the first run', async () => {
      await withServer({}, async ({ address, counter }) => {
        const first = await RawPeer.connect(address);
        assert.equal((await first.ask(add(1, 5))).results.uint32(), 5);
        await first.close();
        const second = await RawPeer.connect(address);
        assert.equal((await second.ask(add(1, 5))).results.uint32(), 5);
        assert.equal(counter.total, 5);
        await second.close();
      });
    });

    it('joins a re-sent call to the running one and answers on the later connection', async () => {
      await withServer({}, async ({ address, counter }) => {
        let open: () => void = () => undefined;
        const opened = new Promise<void>((resolve) => (open = resolve));
        counter.gate = () => opened;
        const first = await RawPeer.connect(address);
        first.send(encodeCall(add(1, 5)));
        await until(() => counter.begun === 1);
        await first.close();
        const second = await RawPeer.connect(address);
        second.send(encodeCall(add(1, 5)));
        // NULL overtakes: when it is answered, the re-sent call was read.
        assert.equal((await second.ask({ xid: 2, ...COUNTER, procedure: 0 })).xid, 2);
        open();
        const reply = await second.reply();
        assert.equal(reply.xid, 1);
        assert.equal(reply.results.uint32(), 5);
        assert.deepEqual([counter.begun, counter.total], [1, 5]);
        await second.close();
      });
    });

    it('tells apart calls with one xid from clients behind one address', async () => {
      await withServer({}, async ({ address, counter }) => {
        const peer = await RawPeer.connect(address);
        assert.equal((await peer.ask(add(1, 5))).results.uint32(), 5);
        assert.equal((await peer.ask(add(1, 6))).results.uint32(), 11);
        const other = { ...add(1, 6), credential: { ...ROOT, machinename: 'other' } };
        assert.equal((await peer.ask(other)).results.uint32(), 17);
        const restamped = { ...other, credential: { ...other.credential, stamp: 99 } };
        assert.equal((await peer.ask(restamped)).results.uint32(), 17);
        assert.equal(counter.total, 17);
        await peer.close();
      });
    });

    it('tells procedures what a call is known by, the same to a server that is started later', async () => {
      const keysOf = async (calls: readonly RawCall[]): Promise<(string | undefined)[]> => {
        const keys: (string | undefined)[] = [];
        await withServer({}, async ({ address, counter }) => {
          for (const call of calls) {
            const peer = await RawPeer.connect(address);
            await peer.ask(call);
            await peer.close();
          }
          keys.push(...counter.requestKeys);
        });
        return keys;
      };
      const calls = [add(1, 5), add(2, 5), add(1, 6), { ...add(1, 5), credential: ROOT }];
      const keys = await keysOf(calls);
      assert.equal(new Set(keys).size, calls.length);
      assert.ok(!keys.includes(undefined));
      assert.deepEqual(await keysOf(calls), keys);
    });

    it('runs a call again that failed', async () => {
      await withServer({}, async ({ address, counter }) => {
        const peer = await RawPeer.connect(address);
        counter.gate = () => Promise.reject(new Error('the disk is full'));
        assert.equal((await peer.ask(add(1, 5))).outcome.status, 'SYSTEM_ERR');
        counter.gate = () => Promise.resolve();
        assert.equal((await peer.ask(add(1, 5))).results.uint32(), 5);
        await peer.close();
      });
    });

    it('forgets the oldest replies above its limits', async () => {
      const duplicateRequestCache = { maxEntries: 2 };
      await withServer({ duplicateRequestCache }, async ({ address, counter }) => {
        const peer = await RawPeer.connect(address);
        for (const xid of [1, 2, 3, 1]) await peer.ask(add(xid, 1));
        assert.equal(counter.total, 4, 'xid 1 was forgotten and ran again');
        await peer.ask(add(3, 1));
        assert.equal(counter.total, 4, 'xid 3 is still known');
        await peer.close();
      });
    });
  });
});

function marked(body: Uint8Array): Buffer {
  const mark = Buffer.alloc(4);
  mark.writeUInt32BE((0x8000_0000 | body.length) >>> 0);
  return Buffer.concat([mark, body]);
}
