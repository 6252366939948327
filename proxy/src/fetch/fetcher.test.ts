import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { buildImage, type Image, verifyBlock } from '@rowfs/image';
import type { Nfs3Layer } from '@rowfs/nfs3';
import fc from 'fast-check';
import { type Logger, pino } from 'pino';
import type { OpenServer } from '../failover/replica.ts';
import type { ImageServer } from '../locator.ts';
import {
  changedReads,
  forgetful,
  inPiecesOf,
  stalledUntil,
  swapped,
  type Wrong,
  without,
  withMoreThanAskedFor,
  wrongAt,
  wrongs,
} from '../test-support/dishonest-layers.ts';
import { openTestServer, TestBench, type TestServer } from '../test-support/image-servers.ts';
import {
  createFetcher,
  type Fetcher,
  type FetchServerStatus,
  type FetchTimings,
} from './fetcher.ts';

const timings: FetchTimings = {
  patienceMs: 200,
  mountMs: 1_000,
  probeMs: { first: 20, last: 100 },
  holdMs: 10_000,
  distrustMs: 60_000,
};

const BLOCK = 4096;

const shared = new TestBench();
let source: string;
let image: Image;
before(async () => {
  source = await shared.directory();
  await mkdir(join(source, 'a/b/c'), { recursive: true });
  await writeFile(join(source, 'a/b/c/deep'), randomBytes(10_000));
  await writeFile(join(source, 'a/b/c/twin'), randomBytes(10_000));
  await writeFile(join(source, 'large'), randomBytes(300_001));
  ({ image } = await buildImage(source, { blockSize: BLOCK }));
});
after(() => shared.close());

let bench: TestBench;
beforeEach(() => {
  bench = new TestBench();
});
afterEach(() => bench.close());

interface Options {
  readonly timings?: Partial<FetchTimings>;
  readonly openServer?: OpenServer;
  readonly logger?: Logger;
  readonly onChange?: (status: readonly FetchServerStatus[]) => void;
}

async function fetcherOf(servers: readonly ImageServer[], options: Options = {}): Promise<Fetcher> {
  const fetcher = createFetcher({
    image,
    servers,
    openServer: openTestServer,
    logger: pino({ level: 'silent' }),
    onChange: () => undefined,
    ...options,
    timings: { ...timings, ...options.timings },
  });
  bench.onClose(() => fetcher.close());
  await fetcher.ready(AbortSignal.timeout(5_000));
  return fetcher;
}

function serve(layer?: Nfs3Layer): Promise<TestServer> {
  return bench.serve(source, '/', layer);
}

async function stalledServer(): Promise<TestServer> {
  const ended = new AbortController();
  const server = await serve(stalledUntil(ended.signal));
  bench.onClose(async () => ended.abort());
  return server;
}

function allBlocks(): number[] {
  return Array.from({ length: image.blockCount }, (_, i) => i);
}

function blocksOf(path: string): number[] {
  return allBlocks().filter((n) => image.path(image.storedBlock(n).fileid).join('/') === path);
}

function assertRight(number: number, bytes: Buffer): void {
  const { length } = image.storedBlock(number);
  assert.equal(bytes.length, length);
  assert.ok(verifyBlock(image.digests(number, 1), bytes), `block ${number}`);
}

/** The blocks that could not be had, each refused with `code`; the others were right. */
async function refused(fetcher: Fetcher, numbers: number[], code = 'BAD_BLOCK'): Promise<number[]> {
  const outcomes = await Promise.allSettled(numbers.map((n) => fetcher.fetch(n, 'demand')));
  return numbers.filter((number, i) => {
    const outcome = outcomes[i];
    if (outcome?.status === 'fulfilled') assertRight(number, outcome.value);
    else assert.equal((outcome?.reason as { code: string }).code, code, String(outcome?.reason));
    return outcome?.status === 'rejected';
  });
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await pause(5);
}

describe('fetcher', () => {
  it('brings every block of the image, whatever their urgency', async () => {
    const fetcher = await fetcherOf([await serve(), await serve()]);
    const urgencies = ['demand', 'read-ahead', 'prefetch'] as const;
    await Promise.all(
      allBlocks().map(async (n) =>
        assertRight(n, await fetcher.fetch(n, urgencies[n % 3] ?? 'demand')),
      ),
    );
    const status = fetcher.status();
    assert.equal(
      status.reduce((sum, { blocks }) => sum + blocks, 0),
      image.blockCount,
    );
    assert.ok(status.every(({ state }) => state === 'healthy'));
  });

  it('gives the same promise while a block is under way, and fetches it once', async () => {
    const fetcher = await fetcherOf([await serve()]);
    const first = fetcher.fetch(3, 'prefetch');
    assert.equal(fetcher.fetch(3, 'demand'), first);
    await first;
    assert.equal(fetcher.status()[0]?.blocks, 1);
  });

  it('reads neighbours that are asked for together with one READ', async () => {
    const fetcher = await fetcherOf([await serve()]);
    const large = blocksOf('large');
    await fetcher.fetch(large.at(-1) ?? 0, 'demand');
    const { calls = 0 } = fetcher.status()[0] ?? {};
    await Promise.all(large.slice(0, 4).map((n) => fetcher.fetch(n, 'demand')));
    assert.equal(fetcher.status()[0]?.calls, calls + 1);
  });

  it('sends what somebody waits for at once, though the window is full of what nobody does', async () => {
    const asked: number[] = [];
    const release = Promise.withResolvers<undefined>();
    const held = changedReads(async (args, honest) => {
      asked.push(args.offset);
      await release.promise;
      return honest(args);
    });
    const fetcher = await fetcherOf([await serve(held)], { timings: { patienceMs: 10_000 } });
    const large = blocksOf('large');
    const ahead = large.map((n) => fetcher.fetch(n, 'prefetch'));
    await until(() => asked.length > 0);
    await pause(50);
    const last = large.length - 1;
    assert.ok(!asked.some((offset) => offset >= (last - 8) * BLOCK), 'the last do not fit');
    const wanted = fetcher.fetch(large[last] ?? 0, 'demand');
    await until(() => asked.includes(last * BLOCK));
    release.resolve(undefined);
    assertRight(large[last] ?? 0, await wanted);
    await Promise.all(ahead);
  });

  it('refuses a block that the image does not have', async () => {
    const fetcher = await fetcherOf([await serve()]);
    await assert.rejects(fetcher.fetch(image.blockCount, 'demand'), { code: 'NO_SUCH_BLOCK' });
  });

  it('goes on from what a READ brought when that is less than it asked for', async () => {
    const fetcher = await fetcherOf([await serve(inPiecesOf(5000))]);
    assert.deepEqual(await refused(fetcher, allBlocks()), []);
    assert.equal(fetcher.status()[0]?.badBlocks, 0);
  });

  it('walks again to files whose handles a server has forgotten', async () => {
    const fetcher = await fetcherOf([await serve(forgetful(2))]);
    for (const n of blocksOf('large').slice(0, 20))
      assertRight(n, await fetcher.fetch(n, 'demand'));
    assert.equal(fetcher.status()[0]?.state, 'healthy');
  });

  it('goes on elsewhere when a server dies in the middle', async () => {
    const [a, b] = [await serve(), await serve()];
    const fetcher = await fetcherOf([a, b]);
    await until(() => fetcher.status().every(({ state }) => state === 'healthy'));
    const fetched = refused(fetcher, allBlocks());
    await pause(1);
    await a.stop();
    assert.deepEqual(await fetched, []);
  });

  it('takes over another list of servers', async () => {
    const [a, b] = [await serve(), await serve()];
    const fetcher = await fetcherOf([a]);
    fetcher.setServers([b]);
    await until(() => fetcher.status().length === 1 && fetcher.status()[0]?.state === 'healthy');
    await a.stop();
    assert.deepEqual(await refused(fetcher, allBlocks()), []);
  });
});

describe('a fetcher without servers', () => {
  it('holds blocks until a server is back', async () => {
    const server = await serve();
    const fetcher = await fetcherOf([server]);
    await server.stop();
    const fetched = fetcher.fetch(0, 'demand');
    await until(() => fetcher.status()[0]?.state === 'demoted');
    await server.start();
    assertRight(0, await fetched);
  });

  it('refuses with NO_SERVER after its patience', async () => {
    const server = await serve();
    const fetcher = await fetcherOf([server], { timings: { holdMs: 100 } });
    await server.stop();
    await assert.rejects(fetcher.fetch(0, 'demand'), { code: 'NO_SERVER' });
  });

  it('refuses with NO_SERVER what its only server takes and never answers', async () => {
    const fetcher = await fetcherOf([await stalledServer()], { timings: { holdMs: 600 } });
    await assert.rejects(fetcher.fetch(0, 'demand'), { code: 'NO_SERVER' });
  });

  it('refuses what waits when it is closed', async () => {
    const fetcher = await fetcherOf([await stalledServer()]);
    const waiting = fetcher.fetch(0, 'demand');
    await pause(20);
    await fetcher.close();
    await assert.rejects(waiting, { code: 'CLOSED' });
    await assert.rejects(fetcher.fetch(1, 'demand'), { code: 'CLOSED' });
  });
});

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
      const bad = await serve(layer);
      const fetcher = await fetcherOf([bad], { logger, onChange });
      const some = blocksOf(file).slice(0, 3);
      assert.deepEqual(await refused(fetcher, some), some);
      const [liar] = fetcher.status();
      assert.equal(liar?.state, 'demoted');
      assert.equal(liar.lastError?.code, code);
      assert.ok(liar.lastError.message.startsWith(`${liar.address}: /${file}: `));
      const { badBlocks } = liar;
      assert.ok(badBlocks > 0);
      assert.ok(told.some(({ lastError }) => lastError?.code === code));
      fetcher.setServers([bad, await serve()]);
      await until(() => fetcher.status()[1]?.state === 'healthy');
      assert.deepEqual(await refused(fetcher, allBlocks()), []);
      assert.equal(fetcher.status()[0]?.badBlocks, badBlocks);
      assert.equal(fetcher.status()[1]?.badBlocks, 0);
      const named = lines.filter((line) => (JSON.parse(line) as { code?: string }).code === code);
      assert.equal(named.length, 1);
      assert.ok(named[0]?.includes(liar.address));
    });
  }

  it('asks another when one stalls, and waits for neither', async () => {
    const fetcher = await fetcherOf([await stalledServer(), await serve()]);
    await until(() => fetcher.status().every(({ state }) => state === 'healthy'));
    assert.deepEqual(await refused(fetcher, allBlocks()), []);
  });

  it('asks another when one is much slower than it was, and drops what comes twice', async () => {
    let isSlow = false;
    const answers: (() => void)[] = [];
    const slow = changedReads(async (args, honest) => {
      if (isSlow) await new Promise<void>((resolve) => answers.push(resolve));
      return honest(args);
    });
    const fetcher = await fetcherOf([await serve(slow)], { timings: { patienceMs: 5_000 } });
    assertRight(0, await fetcher.fetch(0, 'demand'));
    isSlow = true;
    const fetched = fetcher.fetch(1, 'demand');
    await until(() => answers.length > 0);
    const other = await serve();
    fetcher.setServers([
      other,
      ...fetcher
        .status()
        .slice(0, 1)
        .map(({ address }) => serverOf(address)),
    ]);
    assertRight(1, await fetched);
    for (const answer of answers) answer();
    await until(() => fetcher.status().some(({ bytesWasted }) => bytesWasted > 0));
  });

  it('survives a server that sends without end', async () => {
    const fetcher = await fetcherOf([await serve(), await endlessServer()]);
    assert.deepEqual(await refused(fetcher, allBlocks()), []);
  });

  it('serves the other files of a server with one that is damaged', async () => {
    const fetcher = await fetcherOf([await serve(without('deep'))]);
    assert.deepEqual(await refused(fetcher, allBlocks()), blocksOf('a/b/c/deep'));
  });

  it('trusts a server again after a long while, when a single block was right', async () => {
    let isLying = true;
    const liar = await serve(
      changedReads(async (args, honest) => {
        const result = await honest(args);
        return isLying ? { ...result, count: 1, data: [Buffer.alloc(1)], eof: true } : result;
      }),
    );
    const fetcher = await fetcherOf([liar], { timings: { distrustMs: 50 } });
    assert.deepEqual(await refused(fetcher, [0]), [0]);
    isLying = false;
    await pause(60);
    assert.equal(fetcher.status()[0]?.state, 'demoted');
    assert.deepEqual(await refused(fetcher, allBlocks()), []);
    assert.equal(fetcher.status()[0]?.state, 'healthy');
  });

  it('does not trust one that leaves the list and comes back', async () => {
    const [liar, honest] = [await serve(inPiecesOf(100)), await serve()];
    const fetcher = await fetcherOf([liar]);
    const [first = 0] = blocksOf('large');
    assert.deepEqual(await refused(fetcher, [first]), [first]);
    fetcher.setServers([honest]);
    await until(() => fetcher.status().length === 1 && fetcher.status()[0]?.state === 'healthy');
    fetcher.setServers([honest, liar]);
    assert.equal(fetcher.status()[1]?.state, 'demoted');
    assert.equal(fetcher.status()[1]?.lastError?.code, 'SHORT_READ');
  });

  it('gives exactly the blocks that some server has right, whatever the others do', async () => {
    const large = blocksOf('large');
    const damage = fc.record({
      wrong: fc.constantFrom<Wrong>(...wrongs),
      from: fc.nat(large.length - 1),
      count: fc.integer({ min: 1, max: large.length }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 3 }), async (damages) => {
        const servers = await Promise.all(
          damages.map(({ wrong, from, count }) =>
            serve(wrongAt(wrong, from * BLOCK, (from + count) * BLOCK)),
          ),
        );
        const fetcher = await fetcherOf(servers);
        await until(() => fetcher.status().every(({ state }) => state === 'healthy'));
        const missing = large.filter((_, i) =>
          damages.every(({ from, count }) => i >= from && i < from + count),
        );
        assert.deepEqual(await refused(fetcher, large), missing);
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
    if (kind === 'endless') return endlessServer();
    if (kind === 'stalled') return stalledServer();
    if (kind !== 'dead') return serve(kind);
    const server = await serve();
    await server.stop();
    return server;
  };

  it('gives every block, whoever else is on the list', async () => {
    const strangers = fc.array(stranger, { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(strangers, fc.nat(4), async (kinds, at) => {
        const servers = await Promise.all(kinds.map(open));
        servers.splice(at, 0, await serve());
        const fetcher = await fetcherOf(servers);
        assert.deepEqual(await refused(fetcher, allBlocks()), []);
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

/** Answers every connection with bytes that never end. */
async function endlessServer(): Promise<ImageServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    const more = (): void => {
      while (socket.writable && socket.write(Buffer.alloc(65_536, 'endless ')));
    };
    socket.on('drain', more);
    socket.resume();
    more();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  bench.onClose(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  return { host: '127.0.0.1', port: address.port, export: '/' };
}
