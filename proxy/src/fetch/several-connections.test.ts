import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Mountstat3, Nfsstat3, walk } from '@rowfs/nfs3';
import type { OpenServer } from '../failover/replica.ts';
import { openTestServer, TestBench, testContext as ctx } from '../test-support/image-servers.ts';
import { severalConnections } from './several-connections.ts';

let bench: TestBench;
beforeEach(() => {
  bench = new TestBench();
});
afterEach(() => bench.close());

describe('several connections', () => {
  it('share the reads of one server, which answers as over one', async () => {
    const directory = await bench.directory();
    const content = randomBytes(400_000);
    await writeFile(join(directory, 'file'), content);
    const server = await bench.serve(directory);
    const reads: number[] = [];
    const counted: OpenServer = (which) => {
      const service = openTestServer(which);
      const index = reads.push(0) - 1;
      return {
        ...service,
        read: (args, readCtx) => {
          reads[index] = (reads[index] ?? 0) + 1;
          return service.read(args, readCtx);
        },
      };
    };
    const service = severalConnections(counted, 4)(server);
    bench.onClose(() => service.close());
    const mounted = await service.mount('/', ctx);
    assert.ok(mounted.status === Mountstat3.OK);
    const found = await walk(service, mounted.handle, ['file'], ctx);
    assert.ok(found.status === Nfsstat3.OK);
    const parts = await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const args = { file: found.object, offset: i * 50_000, count: 50_000 };
        const result = await service.read(args, ctx);
        assert.ok(result.status === Nfsstat3.OK);
        return Buffer.concat(result.data);
      }),
    );
    assert.ok(Buffer.concat(parts).equals(content));
    assert.deepEqual(reads, [2, 2, 2, 2]);
  });
});
