/** `rowfs cache` as an operator uses it: a machine runs an image that was brought before, and nobody serves. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  askRowfs,
  type ReadyProxy,
  type RowfsDaemon,
  type RowfsOptions,
  runRowfs,
  startRowfs,
} from '../support/rowfs.ts';
import { makeSampleTree } from '../support/sample-tree.ts';
import { ServedFiles } from '../support/served-files.ts';
import { testScope } from '../support/test-scope.ts';

const anyPort = ['--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'];

interface Usage {
  readonly bytes: number;
  readonly blocks: number;
  readonly images: readonly {
    readonly digest: string;
    readonly pinned: string | null;
    readonly blocks: number;
    readonly blocksHere: number;
  }[];
}
interface Warmed {
  readonly image: string;
  readonly present: number;
  readonly fetched: number;
  readonly failed: number;
  readonly blocksHere: number;
}

test('an image is warmed from its servers, pinned, run without them, and dropped', async (t) => {
  const scope = await testScope(t);
  const { directory } = scope;
  const tree = join(directory, 'tree');
  await mkdir(tree);
  await makeSampleTree(tree, { seed: 3 });
  const publisher: RowfsOptions = { directory, owner: 'publisher' };
  const { digest, blocks } = await askRowfs<{ digest: string; blocks: number }>(
    ['image', 'build', tree],
    publisher,
  );
  const node = scope.own(
    await startRowfs<{ addresses: string[] }>(
      ['node', '--alone', '--listen', '/ip4/127.0.0.1/tcp/0', '--rest', '127.0.0.1:0'],
      { directory, owner: 'node' },
    ),
  );
  const registry = node.ready.addresses;
  const server: RowfsDaemon<{ port: number }> = scope.own(
    await startRowfs(['serve', tree, '--listen', '127.0.0.1:0'], { directory, owner: 'server' }),
  );
  const { id } = await askRowfs<{ id: string }>(['key', '--name', 'sample'], publisher);
  const address = `127.0.0.1:${server.ready.port}:/`;
  const publish = ['publish', 'sample', '--version', 'v1', '--server', address];
  await askRowfs(publish, { ...publisher, registry });

  const machine: RowfsOptions = { directory, owner: 'machine', registry };
  const cache = <Answer>(...args: string[]): Promise<Answer> =>
    askRowfs<Answer>(['cache', ...args], machine);
  assert.deepEqual((await cache<Usage>('ls')).images, []);

  const warmed = await cache<Warmed>('warm', id);
  assert.deepEqual([warmed.image, warmed.failed, warmed.blocksHere], [digest, 0, blocks]);
  assert.ok(warmed.fetched > 0);
  const again = await cache<Warmed>('warm', digest.slice(0, 10), '--server', address);
  assert.deepEqual([again.fetched, again.present], [0, blocks]);

  await cache('pin', id, '--version', 'v1');
  await cache('prune');
  const [kept] = (await cache<Usage>('ls')).images;
  assert.deepEqual(kept, { digest, pinned: `${id} v1`, blocks, blocksHere: blocks });

  await server.stop();
  const proxy = await startRowfs<ReadyProxy>(
    ['proxy', '--server', address, '--digest', digest, ...anyPort],
    machine,
  );
  scope.own(proxy);
  const files = await ServedFiles.mount(proxy.ready);
  assert.deepEqual(await files.differences(tree), []);
  await files.close();
  await proxy.stop();

  await cache('unpin', digest.slice(0, 10));
  assert.deepEqual((await runRowfs(['cache', 'unpin', digest], machine)).status, 1);
  await cache('prune');
  const after = await cache<Usage>('ls');
  assert.deepEqual([after.bytes, after.blocks, after.images], [0, 0, []]);
});

test('an image is warmed from a copy of its tree, and from no other', async (t) => {
  const { directory } = await testScope(t);
  const [tree, copy] = [join(directory, 'tree'), join(directory, 'copy')];
  await mkdir(tree);
  await makeSampleTree(tree, { seed: 4 });
  execFileSync('cp', ['-a', tree, copy]);
  const options: RowfsOptions = { directory, owner: 'machine' };
  const { manifest } = await askRowfs<{ manifest: string }>(['image', 'build', tree], options);
  const warm = (from: string) =>
    runRowfs(['cache', 'warm', manifest, '--from', from, '--json'], options);
  execFileSync('dd', [
    'if=/dev/urandom',
    `of=${copy}/sizes/1048577 bytes`,
    'bs=1k',
    'count=10',
    'status=none',
  ]);
  const wrong = await warm(copy);
  assert.equal(wrong.status, 1);
  assert.match(wrong.stderr, /NOT_FETCHED/);
  const { blocksHere, failed } = JSON.parse(wrong.stdout) as Warmed;
  assert.ok(failed > 0 && blocksHere > 0);
  const right = await warm(tree);
  assert.equal(right.status, 0, right.stderr);
  assert.equal((JSON.parse(right.stdout) as Warmed).fetched, failed);
});
