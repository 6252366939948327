import assert from 'node:assert/strict';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { changesOf } from '../inspect/changes.ts';
import { type MergedTree, openMergedTree } from '../inspect/merged-tree.ts';
import { readShadow } from '../inspect/read-shadow.ts';
import { applyLayer } from '../test-support/apply-layer.ts';
import { TestBench, type TestServer } from '../test-support/image-servers.ts';
import { PathClient } from '../test-support/path-client.ts';
import { makeChanges, randomChanges } from '../test-support/random-changes.ts';
import { makeImage } from '../test-support/row/overlaid.ts';
import { linesOfClient } from '../test-support/tree-lines.ts';
import { exportLayer } from './export-layer.ts';

const RUNS = 5;
const asRoot = { skip: process.getuid?.() === 0 ? false : 'needs root to keep owners' };

describe('whatever a client did', asRoot, () => {
  const bench = new TestBench();
  let image: string;
  let server: TestServer;
  before(async () => {
    image = await makeImage();
    bench.onClose(() => rm(image, { recursive: true }));
    server = await bench.serve(image);
  });
  after(() => bench.close());

  it('its export over the image is the tree that it saw', async () => {
    await fc.assert(
      fc.asyncProperty(randomChanges, async (changes) => {
        const directory = await bench.directory();
        await inTree(directory, async (tree) => {
          await makeChanges(await PathClient.mount(tree.service), changes);
        });
        const told = await readShadow(directory, (scan) =>
          changesOf(scan, { directoryTimes: true }),
        );
        const tar = join(directory, 'layer.tar');
        const seen = await inTree(directory, async (tree) => {
          await pipeline(exportLayer(tree, told), createWriteStream(tar));
          return linesOfClient(await PathClient.mount(tree.service));
        });
        assert.deepEqual(await applyLayer(bench, image, tar), seen);
        await rm(directory, { recursive: true });
      }),
      { numRuns: RUNS },
    );
  });

  async function inTree<T>(directory: string, use: (tree: MergedTree) => Promise<T>): Promise<T> {
    const tree = await openMergedTree({
      directory,
      belongsTo: {},
      servers: [server],
      cacheDirectory: join(directory, '../cache'),
    });
    try {
      return await use(tree);
    } finally {
      await tree.close();
    }
  }
});
