import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { buildImage, type Image } from '@rowfs/image';
import { pino } from 'pino';
import type { ImageServer } from '../locator.ts';
import { openTestServer, TestBench } from '../test-support/image-servers.ts';
import { createFetcher, type Fetcher, type FetchTimings } from './fetcher.ts';

const timings: FetchTimings = {
  patienceMs: 200,
  mountMs: 1_000,
  probeMs: { first: 20, last: 100 },
  holdMs: 10_000,
  distrustMs: 60_000,
};

const BLOCK = 4096;

let bench: TestBench;
let source: string;
let image: Image;
beforeEach(async () => {
  bench = new TestBench();
  source = await bench.directory();
  await mkdir(join(source, 'a/b/c'), { recursive: true });
  await writeFile(join(source, 'a/b/c/deep'), randomBytes(10_000));
  await writeFile(join(source, 'large'), randomBytes(1_000_001));
  ({ image } = await buildImage(source, { blockSize: BLOCK }));
});
afterEach(() => bench.close());

async function fetcherOf(servers: readonly ImageServer[]): Promise<Fetcher> {
  const fetcher = createFetcher({
    image,
    servers,
    openServer: openTestServer,
    timings,
    logger: pino({ level: 'silent' }),
    onChange: () => undefined,
  });
  bench.onClose(() => fetcher.close());
  await fetcher.ready(AbortSignal.timeout(5_000));
  return fetcher;
}

describe('fetcher', () => {
  it('brings every block of the image', async () => {
    const fetcher = await fetcherOf([await bench.serve(source)]);
    const numbers = Array.from({ length: image.blockCount }, (_, i) => i);
    const blocks = await Promise.all(numbers.map((n) => fetcher.fetch(n, 'demand')));
    assert.deepEqual(
      blocks.map(({ length }) => length),
      numbers.map((n) => image.storedBlock(n).length),
    );
    assert.equal(fetcher.status()[0]?.blocks, image.blockCount);
  });
});
