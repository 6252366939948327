import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RpcClient } from './client.ts';
import type { RpcContext, RpcProcedure, RpcProgram, WriteResults } from './program.ts';
import { ReplyLifetime } from './reply-lifetime.ts';
import { createRpcServer, type RpcServer } from './server.ts';
import { encodeCall, RawPeer } from './test-support/raw-peer.ts';
import { until } from './test-support/until.ts';

const NUMBERS = { program: 0x2000_0002, version: 1 };
const FILL = 1;
const COUNT = 100_000;

/** Answers with as many bytes as it is told to, all the same, in memory that it uses again and again. */
class Filler implements RpcProgram {
  readonly program = NUMBERS.program;
  readonly version = NUMBERS.version;
  readonly name = 'FILLER';
  readonly #free: Buffer[] = [];
  begun = 0;
  ended = 0;
  made = 0;

  readonly procedures: ReadonlyMap<number, RpcProcedure> = new Map([
    [
      FILL,
      {
        name: 'FILL',
        cacheable: false,
        auth: 'any',
        call: async (args, ctx) => this.#fill(args.uint32(), ctx),
      },
    ],
  ]);

  #fill(value: number, { reply }: RpcContext): WriteResults {
    this.begun += 1;
    let bytes = this.#free.pop();
    if (bytes === undefined) {
      bytes = Buffer.alloc(COUNT);
      this.made += 1;
    }
    const used = bytes.fill(value);
    reply?.onEnd(() => {
      this.ended += 1;
      this.#free.push(used.fill(0xff));
    });
    return (results) => results.opaque(used);
  }
}

async function withFiller(
  test: (filler: Filler, server: RpcServer) => Promise<void>,
): Promise<void> {
  const filler = new Filler();
  const server = createRpcServer({ programs: [filler], closeGraceMs: 50 });
  try {
    await test(filler, server);
  } finally {
    await server.close();
  }
}

const LOOPBACK = { host: '127.0.0.1', port: 0 };

describe('ReplyLifetime', () => {
  it('calls back once, and at once when it has ended', () => {
    const lifetime = new ReplyLifetime();
    let calls = 0;
    const count = (): void => void (calls += 1);
    lifetime.onEnd(count);
    assert.ok(lifetime.isAwaited);
    assert.equal(calls, 0);
    lifetime.end();
    lifetime.end();
    assert.equal(calls, 1);
    lifetime.onEnd(count);
    assert.equal(calls, 2);
  });

  it('ends when the reply was sent, and not before: memory of replies can be used again', async () => {
    await withFiller(async (filler, server) => {
      const client = new RpcClient({ connect: await server.listen(LOOPBACK), ...NUMBERS });
      const calls = 400;
      const ask = async (index: number): Promise<void> => {
        const value = index % 251;
        const reply = await client.call(FILL, (writer) => writer.uint32(value));
        assert.ok(Buffer.from(reply.opaque(COUNT)).equals(Buffer.alloc(COUNT, value)));
      };
      let next = 0;
      const worker = async (): Promise<void> => {
        while (next < calls) await ask(next++);
      };
      await Promise.all(Array.from({ length: 16 }, worker));
      await until(() => filler.ended === calls);
      assert.ok(filler.made < calls, 'some of it was used again');
      await client.close();
    });
  });

  it('ends for replies that a peer did not take before it went away', async () => {
    await withFiller(async (filler, server) => {
      const peer = await RawPeer.connect(await server.listen(LOOPBACK));
      peer.socket.pause();
      const calls = 120;
      for (let xid = 1; xid <= calls; xid += 1) {
        const writeArgs = (writer: { uint32(value: number): void }): void => writer.uint32(xid);
        peer.socket.write(encodeCall({ xid, ...NUMBERS, procedure: FILL, writeArgs }));
      }
      await until(() => filler.begun > filler.ended + 10);
      peer.socket.destroy();
      await until(() => server.connections() === 0 && filler.ended === filler.begun);
    });
  });
});
