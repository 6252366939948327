import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { after, afterEach, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import { changedReads, forgetful, inPiecesOf } from '../test-support/dishonest-layers.ts';
import { BLOCK_SIZE, FetchBench, until } from '../test-support/fetch-bench.ts';

let bench: FetchBench;
before(async () => {
  bench = await FetchBench.make();
});
afterEach(() => bench.endTest());
after(() => bench.close());

describe('fetcher', () => {
  it('brings every block of the image, whatever their urgency', async () => {
    const fetcher = await bench.fetcherOf([await bench.serve(), await bench.serve()]);
    const urgencies = ['demand', 'read-ahead', 'prefetch'] as const;
    await Promise.all(
      bench
        .allBlocks()
        .map(async (n) =>
          bench.assertRight(n, await fetcher.fetch(n, urgencies[n % 3] ?? 'demand')),
        ),
    );
    const status = fetcher.status();
    assert.equal(
      status.reduce((sum, { blocks }) => sum + blocks, 0),
      bench.image.blockCount,
    );
    assert.ok(status.every(({ state }) => state === 'healthy'));
  });

  it('gives the same promise while a block is under way, and fetches it once', async () => {
    const fetcher = await bench.fetcherOf([await bench.serve()]);
    const first = fetcher.fetch(3, 'prefetch');
    assert.equal(fetcher.fetch(3, 'demand'), first);
    await first;
    assert.equal(fetcher.status()[0]?.blocks, 1);
  });

  it('reads neighbours that are asked for together with one READ', async () => {
    const fetcher = await bench.fetcherOf([await bench.serve()]);
    const large = bench.blocksOf('large');
    await fetcher.fetch(large.at(-1) ?? 0, 'demand');
    const { calls = 0 } = fetcher.status()[0] ?? {};
    await Promise.all(large.slice(0, 4).map((n) => fetcher.fetch(n, 'demand')));
    assert.equal(fetcher.status()[0]?.calls, calls + 1);
  });

  it('looks up a file that is expected, so that its first block takes one call', async () => {
    const fetcher = await bench.fetcherOf([await bench.serve()]);
    const [other = 0] = bench.blocksOf('large');
    await fetcher.fetch(other, 'demand');
    const callsNow = (): number => fetcher.status()[0]?.calls ?? 0;
    const before = callsNow();
    const [number = 0] = bench.blocksOf('a/b/c/deep');
    fetcher.expect(bench.image.storedBlock(number).fileid);
    // Its three directories are not known either.
    await until(() => callsNow() === before + 4);
    bench.assertRight(number, await fetcher.fetch(number, 'demand'));
    assert.equal(callsNow(), before + 5);
  });

  it('sends what somebody waits for at once, though the window is full of what nobody does', async () => {
    const asked: number[] = [];
    const release = Promise.withResolvers<undefined>();
    const held = changedReads(async (args, honest) => {
      asked.push(args.offset);
      await release.promise;
      return honest(args);
    });
    const fetcher = await bench.fetcherOf([await bench.serve(held)], {
      timings: { patienceMs: 10_000 },
    });
    const large = bench.blocksOf('large');
    const ahead = large.map((n) => fetcher.fetch(n, 'prefetch'));
    await until(() => asked.length > 0);
    await pause(50);
    const last = large.length - 1;
    assert.ok(!asked.some((offset) => offset >= (last - 8) * BLOCK_SIZE), 'the last do not fit');
    const wanted = fetcher.fetch(large[last] ?? 0, 'demand');
    await until(() => asked.includes(last * BLOCK_SIZE));
    release.resolve(undefined);
    bench.assertRight(large[last] ?? 0, await wanted);
    await Promise.all(ahead);
  });

  it('refuses a block that the image does not have', async () => {
    const fetcher = await bench.fetcherOf([await bench.serve()]);
    await assert.rejects(fetcher.fetch(bench.image.blockCount, 'demand'), {
      code: 'NO_SUCH_BLOCK',
    });
  });

  it('goes on from what a READ brought when that is less than it asked for', async () => {
    const fetcher = await bench.fetcherOf([await bench.serve(inPiecesOf(5000))]);
    assert.deepEqual(await bench.refused(fetcher, bench.allBlocks()), []);
    assert.equal(fetcher.status()[0]?.badBlocks, 0);
  });

  it('walks again to files whose handles a server has forgotten', async () => {
    const fetcher = await bench.fetcherOf([await bench.serve(forgetful(2))]);
    for (const n of bench.blocksOf('large').slice(0, 20))
      bench.assertRight(n, await fetcher.fetch(n, 'demand'));
    assert.equal(fetcher.status()[0]?.state, 'healthy');
  });

  it('goes on elsewhere when a server dies in the middle', async () => {
    const [a, b] = [await bench.serve(), await bench.serve()];
    const fetcher = await bench.fetcherOf([a, b]);
    await until(() => fetcher.status().every(({ state }) => state === 'healthy'));
    const fetched = bench.refused(fetcher, bench.allBlocks());
    await pause(1);
    await a.stop();
    assert.deepEqual(await fetched, []);
  });

  it('takes over another list of servers', async () => {
    const [a, b] = [await bench.serve(), await bench.serve()];
    const fetcher = await bench.fetcherOf([a]);
    fetcher.setServers([b]);
    await until(() => fetcher.status().length === 1 && fetcher.status()[0]?.state === 'healthy');
    await a.stop();
    assert.deepEqual(await bench.refused(fetcher, bench.allBlocks()), []);
  });
});

describe('a fetcher without servers', () => {
  it('holds blocks until a server is back', async () => {
    const server = await bench.serve();
    const fetcher = await bench.fetcherOf([server]);
    await server.stop();
    const fetched = fetcher.fetch(0, 'demand');
    await until(() => fetcher.status()[0]?.state === 'demoted');
    await server.start();
    bench.assertRight(0, await fetched);
  });

  it('says once that a server is gone, however often it is tried', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    const server = await bench.serve();
    const fetcher = await bench.fetcherOf([server], {
      logger,
      timings: { probeMs: { first: 1, last: 2 } },
    });
    await until(() => fetcher.status()[0]?.state === 'healthy');
    await server.stop();
    const fetched = fetcher.fetch(0, 'demand');
    const { failures = 0 } = fetcher.status()[0] ?? {};
    await until(() => (fetcher.status()[0]?.failures ?? 0) > failures + 5);
    await server.start();
    await fetched;
    assert.equal(lines.length, 1, lines.join(''));
  });

  it('refuses with NO_SERVER after its patience', async () => {
    const server = await bench.serve();
    const fetcher = await bench.fetcherOf([server], { timings: { holdMs: 100 } });
    await server.stop();
    await assert.rejects(fetcher.fetch(0, 'demand'), { code: 'NO_SERVER' });
  });

  it('refuses with NO_SERVER what its only server takes and never answers', async () => {
    const fetcher = await bench.fetcherOf([await bench.stalledServer()], {
      timings: { holdMs: 600 },
    });
    await assert.rejects(fetcher.fetch(0, 'demand'), { code: 'NO_SERVER' });
  });

  it('refuses what waits when it is closed', async () => {
    const fetcher = await bench.fetcherOf([await bench.stalledServer()]);
    const waiting = fetcher.fetch(0, 'demand');
    await pause(20);
    await fetcher.close();
    await assert.rejects(waiting, { code: 'CLOSED' });
    await assert.rejects(fetcher.fetch(1, 'demand'), { code: 'CLOSED' });
  });
});

describe('a fetcher with servers that come and go', () => {
  it('gives every block in the end', async () => {
    const change = fc.record({ which: fc.nat(1), afterMs: fc.nat(40) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async (changes) => {
        const servers = [await bench.serve(inPiecesOf(7_000)), await bench.serve()] as const;
        const fetcher = await bench.fetcherOf(servers);
        const isUp = [true, true];
        const comingAndGoing = async (): Promise<void> => {
          for (const { which, afterMs } of changes) {
            await pause(afterMs);
            const server = servers[which as 0 | 1];
            await (isUp[which] === true ? server.stop() : server.start());
            isUp[which] = isUp[which] !== true;
          }
          for (const [i, server] of servers.entries()) if (isUp[i] !== true) await server.start();
        };
        const going = comingAndGoing();
        const urgencies = ['prefetch', 'read-ahead', 'demand'] as const;
        for (const urgency of urgencies) {
          void Promise.all(bench.allBlocks().map((n) => fetcher.fetch(n, urgency)));
          await pause(10);
        }
        assert.deepEqual(await bench.refused(fetcher, bench.allBlocks()), []);
        await going;
        await fetcher.close();
      }),
      { numRuns: 10 },
    );
  });
});
