import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { fsck } from '../fsck/fsck.ts';
import { openMergedTree } from '../inspect/merged-tree.ts';
import { TestBench, type TestServer } from '../test-support/image-servers.ts';
import { PathClient } from '../test-support/path-client.ts';
import { makeChanges, randomChanges } from '../test-support/random-changes.ts';
import { makeImage } from '../test-support/row/overlaid.ts';
import { linesOfClient } from '../test-support/tree-lines.ts';
import { carryOver } from './carry-over.ts';

const RUNS = 5;

describe('whatever a client did', () => {
  const bench = new TestBench();
  let server: TestServer;
  before(async () => {
    const image = await makeImage();
    bench.onClose(() => rm(image, { recursive: true }));
    server = await bench.serve(image);
  });
  after(() => bench.close());

  it('fsck finds nothing, and the tree is the same after carrying it to the same image', async () => {
    await fc.assert(
      fc.asyncProperty(randomChanges, async (changes) => {
        const shadows = await bench.directory();
        const [from, to] = [join(shadows, '1'), join(shadows, '2')];
        const servers = [server];
        const seen = await inTree(from, '1', async (client) => {
          await makeChanges(client, changes);
          return linesOfClient(client);
        });
        assert.deepEqual(await fsck(from), []);
        const belongsTo = { version: '2' };
        const options = {
          from,
          to,
          belongsTo,
          oldServers: servers,
          newServers: servers,
          cacheDirectory: join(from, '../../cache'),
        };
        const { conflicts } = await carryOver(options);
        assert.deepEqual(conflicts, []);
        assert.deepEqual(await fsck(to), []);
        assert.deepEqual(await inTree(to, '2', linesOfClient), seen);
        await rm(shadows, { recursive: true });
      }),
      { numRuns: RUNS },
    );
  });

  async function inTree<T>(
    directory: string,
    version: string,
    use: (client: PathClient) => Promise<T>,
  ): Promise<T> {
    const tree = await openMergedTree({
      directory,
      belongsTo: { version },
      servers: [server],
      cacheDirectory: join(directory, '../cache'),
    });
    try {
      return await use(await PathClient.mount(tree.service));
    } finally {
      await tree.close();
    }
  }
});
