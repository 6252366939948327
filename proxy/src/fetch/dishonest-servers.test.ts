import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Nfs3Layer } from '@rowfs/nfs3';
import fc from 'fast-check';
import { pino } from 'pino';
import type { ImageServer } from '../locator.ts';
import {
  changedReads,
  forgetful,
  inPiecesOf,
  swapped,
  type Wrong,
  without,
  withMoreThanAskedFor,
  wrongAt,
  wrongs,
} from '../test-support/dishonest-layers.ts';
import { BLOCK_SIZE, FetchBench, until } from '../test-support/fetch-bench.ts';
import type { FetchServerStatus } from './fetcher.ts';

let bench: FetchBench;
before(async () => {
  bench = await FetchBench.make();
});
afterEach(() => bench.endTest());
after(() => bench.close());

describe('servers that are not to be trusted', () => {
  const everywhere = [0, 1_000_000] as const;
  const deep = 'a/b/c/deep';
  const dishonest: readonly {
    readonly does: string;
    readonly layer: Nfs3Layer;
    readonly code: string;
    readonly file: string;
  }[] = [
    { does: 'flips bits', layer: wrongAt('flipped', ...everywhere), code: 'BAD_BLOCK', file: deep },
    {
      does: 'gives bytes of another place',
      layer: wrongAt('of another place', ...everywhere),
      code: 'BAD_BLOCK',
      file: deep,
    },
    {
      does: 'ends files too early',
      layer: wrongAt('truncated', ...everywhere),
      code: 'SHORT_READ',
      file: deep,
    },
    { does: 'gives crumbs', layer: inPiecesOf(100), code: 'SHORT_READ', file: 'large' },
    {
      does: 'cannot read',
      layer: wrongAt('unreadable', ...everywhere),
      code: 'READ_FAILED',
      file: deep,
    },
    {
      does: 'gives more than was asked for',
      layer: withMoreThanAskedFor(),
      code: 'BAD_REPLY',
      file: 'large',
    },
    { does: 'lacks a directory', layer: without('b'), code: 'MISSING_FILE', file: deep },
    {
      does: 'has another file there',
      layer: swapped('deep', 'twin'),
      code: 'BAD_BLOCK',
      file: deep,
    },
  ];

  for (const { does, layer, code, file } of dishonest) {
    it(`names, demotes and replaces one that ${does}`, async () => {
      const lines: string[] = [];
      const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(line) });
      let told: readonly FetchServerStatus[] = [];
      const onChange = (status: readonly FetchServerStatus[]): void => void (told = status);
      const bad = await bench.serve(layer);
      const fetcher = await bench.fetcherOf([bad], { logger, onChange });
      const some = bench.blocksOf(file).slice(0, 3);
      assert.deepEqual(await bench.refused(fetcher, some), some);
      const [liar] = fetcher.status();
      assert.equal(liar?.state, 'demoted');
      assert.equal(liar.lastError?.code, code);
      assert.ok(liar.lastError.message.startsWith(`${liar.address}: /${file}: `));
      const { badBlocks } = liar;
      assert.ok(badBlocks > 0);
      assert.ok(told.some(({ lastError }) => lastError?.code === code));
      fetcher.setServers([bad, await bench.serve()]);
      await until(() => fetcher.status()[1]?.state === 'healthy');
      assert.deepEqual(await bench.refused(fetcher, bench.allBlocks()), []);
      assert.equal(fetcher.status()[0]?.badBlocks, badBlocks);
      assert.equal(fetcher.status()[1]?.badBlocks, 0);
      const named = lines.filter((line) => (JSON.parse(line) as { code?: string }).code === code);
      assert.equal(named.length, 1);
      assert.ok(named[0]?.includes(liar.address));
    });
  }

  it('asks another when one stalls, and waits for neither', async () => {
    const fetcher = await bench.fetcherOf([await bench.stalledServer(), await bench.serve()]);
    await until(() => fetcher.status().every(({ state }) => state === 'healthy'));
    assert.deepEqual(await bench.refused(fetcher, bench.allBlocks()), []);
  });

  it('asks another when one is much slower than it was, and drops what comes twice', async () => {
    let isSlow = false;
    const answers: (() => void)[] = [];
    const slow = changedReads(async (args, honest) => {
      if (isSlow) await new Promise<void>((resolve) => answers.push(resolve));
      return honest(args);
    });
    const fetcher = await bench.fetcherOf([await bench.serve(slow)], {
      timings: { patienceMs: 5_000 },
    });
    bench.assertRight(0, await fetcher.fetch(0, 'demand'));
    isSlow = true;
    const fetched = fetcher.fetch(1, 'demand');
    await until(() => answers.length > 0);
    const other = await bench.serve();
    fetcher.setServers([
      other,
      ...fetcher
        .status()
        .slice(0, 1)
        .map(({ address }) => serverOf(address)),
    ]);
    bench.assertRight(1, await fetched);
    for (const answer of answers) answer();
    await until(() => fetcher.status().some(({ bytesWasted }) => bytesWasted > 0));
  });

  it('survives a server that sends without end', async () => {
    const fetcher = await bench.fetcherOf([await bench.serve(), await bench.endlessServer()]);
    assert.deepEqual(await bench.refused(fetcher, bench.allBlocks()), []);
  });

  it('serves the other files of a server with one that is damaged', async () => {
    const fetcher = await bench.fetcherOf([await bench.serve(without('deep'))]);
    assert.deepEqual(await bench.refused(fetcher, bench.allBlocks()), bench.blocksOf('a/b/c/deep'));
  });

  it('trusts a server again after a long while, when a single block was right', async () => {
    let isLying = true;
    const liar = await bench.serve(
      changedReads(async (args, honest) => {
        const result = await honest(args);
        return isLying ? { ...result, count: 1, data: [Buffer.alloc(1)], eof: true } : result;
      }),
    );
    const fetcher = await bench.fetcherOf([liar], { timings: { distrustMs: 50 } });
    assert.deepEqual(await bench.refused(fetcher, [0]), [0]);
    isLying = false;
    await pause(60);
    assert.equal(fetcher.status()[0]?.state, 'demoted');
    assert.deepEqual(await bench.refused(fetcher, bench.allBlocks()), []);
    assert.equal(fetcher.status()[0]?.state, 'healthy');
  });

  it('does not trust one that leaves the list and comes back', async () => {
    const [liar, honest] = [await bench.serve(inPiecesOf(100)), await bench.serve()];
    const fetcher = await bench.fetcherOf([liar]);
    const [first = 0] = bench.blocksOf('large');
    assert.deepEqual(await bench.refused(fetcher, [first]), [first]);
    fetcher.setServers([honest]);
    await until(() => fetcher.status().length === 1 && fetcher.status()[0]?.state === 'healthy');
    fetcher.setServers([honest, liar]);
    assert.equal(fetcher.status()[1]?.state, 'demoted');
    assert.equal(fetcher.status()[1]?.lastError?.code, 'SHORT_READ');
  });

  it('gives exactly the blocks that some server has right, whatever the others do', async () => {
    const large = bench.blocksOf('large');
    const damage = fc.record({
      wrong: fc.constantFrom<Wrong>(...wrongs),
      from: fc.nat(large.length - 1),
      count: fc.integer({ min: 1, max: large.length }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 3 }), async (damages) => {
        const servers = await Promise.all(
          damages.map(({ wrong, from, count }) =>
            bench.serve(wrongAt(wrong, from * BLOCK_SIZE, (from + count) * BLOCK_SIZE)),
          ),
        );
        const fetcher = await bench.fetcherOf(servers);
        await until(() => fetcher.status().every(({ state }) => state === 'healthy'));
        const missing = large.filter((_, i) =>
          damages.every(({ from, count }) => i >= from && i < from + count),
        );
        assert.deepEqual(await bench.refused(fetcher, large), missing);
        await fetcher.close();
      }),
      { numRuns: 25 },
    );
  });
});

describe('a fetcher with one honest server', () => {
  const stranger = fc.constantFrom<'dead' | 'stalled' | 'endless' | Nfs3Layer>(
    'dead',
    'stalled',
    'endless',
    wrongAt('flipped', 0, 1_000_000),
    wrongAt('truncated', 9_000, 1_000_000),
    wrongAt('unreadable', 50_000, 60_000),
    inPiecesOf(100),
    inPiecesOf(6_000),
    withMoreThanAskedFor(),
    without('a'),
    swapped('deep', 'twin'),
    forgetful(3),
  );
  const open = async (kind: 'dead' | 'stalled' | 'endless' | Nfs3Layer): Promise<ImageServer> => {
    if (kind === 'endless') return bench.endlessServer();
    if (kind === 'stalled') return bench.stalledServer();
    if (kind !== 'dead') return bench.serve(kind);
    const server = await bench.serve();
    await server.stop();
    return server;
  };

  it('gives every block, whoever else is on the list', async () => {
    const strangers = fc.array(stranger, { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(strangers, fc.nat(4), async (kinds, at) => {
        const servers = await Promise.all(kinds.map(open));
        servers.splice(at, 0, await bench.serve());
        const fetcher = await bench.fetcherOf(servers);
        assert.deepEqual(await bench.refused(fetcher, bench.allBlocks()), []);
        await fetcher.close();
      }),
      { numRuns: 12 },
    );
  });
});

function serverOf(address: string): ImageServer {
  const [host = '', port = ''] = address.split(':');
  return { host, port: Number(port), export: '/' };
}
