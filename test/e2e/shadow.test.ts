/** What people do with shadows: look, check, export, carry over, drop; all by the command. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, link, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { connectNfs3 } from '@rowfs/nfs3';
import { PathClient } from '../../proxy/src/test-support/path-client.ts';
import { linesOfClient, linesOfDirectory } from '../../proxy/src/test-support/tree-lines.ts';
import { unpackLayer } from '../support/oci-image.ts';
import { requires } from '../support/requirements.ts';
import {
  askRowfs,
  type ReadyProxy,
  type RowfsDaemon,
  type RowfsOptions,
  runRowfs,
  startRowfs,
} from '../support/rowfs.ts';
import { type TestScope, testScope } from '../support/test-scope.ts';

/** Over plain exports, whose servers are believed, and over an image that is verified by its digest. */
const KINDS = ['plain', 'verified'] as const;

const anyPort = ['--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'];

interface Carried {
  readonly carried: { carried: number; conflicts: { path: string; reason: string }[] } | null;
}

interface ListedShadow {
  readonly id: string;
  readonly machine: string;
  readonly version: string | null;
  readonly pid: number | null;
  readonly changes: number;
}

async function makeImage(directory: string): Promise<void> {
  await mkdir(join(directory, 'dir/sub'), { recursive: true });
  await mkdir(join(directory, 'gone'));
  await writeFile(join(directory, 'big'), Buffer.alloc(1_000_000, 7));
  for (const name of ['file', 'other', 'dir/one', 'dir/sub/two', 'gone/three'])
    await writeFile(join(directory, name), `${name} of the image`);
  await link(join(directory, 'other'), join(directory, 'dir/other-too'));
  await symlink('file', join(directory, 'symlink'));
}

/** Builds the manifest of a directory. @returns its digest */
async function describe(image: string, owner: RowfsOptions): Promise<string> {
  return (await askRowfs<{ digest: string }>(['image', 'build', image], owner)).digest;
}

/** Serves a directory until the test ends. @returns its address */
async function serve(scope: TestScope, directory: string, owner: string): Promise<string> {
  const server = scope.own(
    await startRowfs<{ port: number }>(['serve', directory, '--listen', '127.0.0.1:0'], {
      directory: scope.directory,
      owner,
    }),
  );
  return `127.0.0.1:${server.ready.port}:/`;
}

async function asClient<T>(
  { ready }: RowfsDaemon<ReadyProxy>,
  use: (client: PathClient) => Promise<T>,
): Promise<T> {
  const service = connectNfs3(ready);
  try {
    return await use(await PathClient.mount(service));
  } finally {
    await service.close();
  }
}

async function listed(machine: RowfsOptions): Promise<ListedShadow[]> {
  return (await askRowfs<{ shadows: ListedShadow[] }>(['shadow', 'ls'], machine)).shadows;
}

/** What a machine changed while it runs is in its records a moment later: lists until as much is told. */
async function listedRunning(
  machine: RowfsOptions,
  changes: readonly number[],
): Promise<ListedShadow[]> {
  let shadows = await listed(machine);
  for (let left = 20; left > 0; left -= 1) {
    if (
      isDeepStrictEqual(
        shadows.map((each) => each.changes),
        changes,
      )
    )
      break;
    await pause(250);
    shadows = await listed(machine);
  }
  return shadows;
}

for (const kind of KINDS)
  test(
    `${kind}: an export, unpacked over the image by another tool, is the tree that the client sees`,
    { skip: requires('oci-tools') },
    async (t) => {
      const scope = await testScope(t);
      const image = join(scope.directory, 'image');
      await makeImage(image);
      const machine = { directory: scope.directory, owner: 'machine' };
      const digest = kind === 'plain' ? [] : ['--digest', await describe(image, machine)];
      const address = await serve(scope, image, 'server');
      const proxyArgs = ['proxy', '--server', address, ...digest, ...anyPort];
      const proxy = scope.own(await startRowfs<ReadyProxy>(proxyArgs, machine));
      const seen = await asClient(proxy, async (client) => {
        await client.write('big', 500_000, 'changed');
        await client.setattr('file', { mode: 0o4755, uid: 3_000_000 });
        await client.write('other', 0, 'O');
        await client.rename('dir/sub', 'moved');
        await client.create('dir/sub', 'a file in place of a directory');
        await client.remove('gone/three');
        await client.rmdir('gone');
        await client.mkdir('gone');
        await client.create(`gone/${'n'.repeat(180)}`, 'a directory in place of another');
        await client.create('\xff\xfe', 'a name that is no UTF-8');
        await client.mknod('fifo', 'FIFO');
        await client.remove('symlink');
        return linesOfClient(client);
      });
      const refused = await runRowfs(['shadow', 'export', '-o', '/dev/null', '--json'], machine);
      assert.equal(refused.status, 1);
      assert.match(refused.stderr, /SHADOW_IN_USE/);
      await proxy.stop();
      const layer = join(scope.directory, 'layer.tar');
      const told = await askRowfs<{ changes: number; skipped: string[] }>(
        ['shadow', 'export', '-o', layer],
        machine,
      );
      assert.deepEqual(told.skipped, []);
      await rm(join(image, '.rowfs'), { recursive: true, force: true });
      const root = await unpackLayer(image, layer, scope.directory);
      assert.deepEqual(linesOfDirectory(root), seen);
    },
  );

for (const kind of KINDS)
  test(`${kind}: machines of one appliance, their shadows, and the way to a new version`, async (t) => {
    const scope = await testScope(t);
    const { directory } = scope;
    const node = scope.own(
      await startRowfs<{ addresses: string[] }>(
        ['node', '--alone', '--listen', '/ip4/127.0.0.1/tcp/0', '--rest', '127.0.0.1:0'],
        { directory, owner: 'node' },
      ),
    );
    const publisher = { directory, owner: 'publisher', registry: node.ready.addresses };
    const machine = { ...publisher, owner: 'machine' };
    const { id } = await askRowfs<{ id: string }>(['key', '--name', 'debian'], publisher);
    const publish = async (version: string, image: string): Promise<void> => {
      if (kind === 'verified') await describe(image, publisher);
      const server = await serve(scope, image, `server-${version}`);
      await askRowfs(
        [
          ...['publish', 'debian', '--version', version, '--server', server],
          ...(kind === 'plain' ? ['--no-manifest'] : []),
        ],
        publisher,
      );
    };
    const start = async (
      ...args: readonly string[]
    ): Promise<RowfsDaemon<ReadyProxy & Carried & { notices: string[] }>> =>
      scope.own(await startRowfs(['proxy', id, ...anyPort, '--lease', '10m', ...args], machine));

    await makeImage(join(directory, 'v1'));
    await publish('v1', join(directory, 'v1'));
    const one = await start('--name', 'one');
    const two = await start('--name', 'two');
    await asClient(one, async (client) => {
      await client.write('big', 5000, 'changed');
      await client.setattr('file', { mode: 0o600 });
      await client.create('born', 'here');
    });
    assert.deepEqual(await asClient(two, (client) => client.names('')), [
      'big',
      'dir',
      'file',
      'gone',
      'other',
      'symlink',
    ]);

    const running = await listedRunning(machine, [3, 0]);
    assert.deepEqual(
      running.map((each) => [each.machine, each.version, each.pid, each.changes]),
      [
        ['one', 'v1', one.process.pid, 3],
        ['two', 'v1', two.process.pid, 0],
      ],
    );
    const diff = await askRowfs<{ changes: { path: string; kind: string }[] }>(
      ['shadow', 'diff', 'one'],
      machine,
    );
    assert.deepEqual(
      diff.changes.map(({ path, kind }) => `${kind} ${path}`),
      ['changed /big', 'added /born', 'changed /file'],
    );
    for (const args of [
      ['discard', 'one', '--yes'],
      ['fsck', 'one'],
    ]) {
      const refused = await runRowfs(['shadow', ...args], machine);
      assert.equal(refused.status, 1);
      assert.match(refused.stderr, new RegExp(`process ${one.process.pid} `));
    }
    await one.stop();
    await two.stop();
    const ambiguous = await runRowfs(['shadow', 'diff', 'v1', '--json'], machine);
    assert.match(ambiguous.stderr, /AMBIGUOUS_SHADOW/);
    assert.equal((await runRowfs(['shadow', 'fsck', 'one'], machine)).status, 0);

    execFileSync('cp', ['-a', join(directory, 'v1'), join(directory, 'v2')]);
    await appendFile(join(directory, 'v2/file'), ', changed in version 2');
    await writeFile(join(directory, 'v2/new'), 'new');
    await publish('v2', join(directory, 'v2'));

    const kept = await start('--name', 'one', '--upgrade', 'keep');
    assert.equal(kept.ready.version, 'v1');
    await kept.stop();
    const carried = await start('--name', 'one', '--upgrade', 'carry');
    assert.equal(carried.ready.version, 'v2');
    assert.equal(carried.ready.carried?.carried, 2);
    assert.deepEqual(
      carried.ready.carried.conflicts.map(({ path, reason }) => `${path}: ${reason}`),
      ['/file: the new version changed /file itself: contents'],
    );
    await asClient(carried, async (client) => {
      assert.equal((await client.read('born')).toString(), 'here');
      assert.equal((await client.read('big')).subarray(5000, 5007).toString(), 'changed');
      assert.equal(
        (await client.read('file')).toString(),
        'file of the image, changed in version 2',
      );
      assert.equal((await client.read('new')).toString(), 'new');
    });
    await carried.stop();
    const fresh = await start('--name', 'two', '--ephemeral');
    assert.equal(fresh.ready.version, 'v2');
    await asClient(fresh, (client) => client.create('short-lived'));
    assert.deepEqual(
      (await listedRunning(machine, [3, 2, 0, 1])).map(({ machine: name, version, changes }) => [
        name,
        version,
        changes,
      ]),
      [
        ['one', 'v1', 3],
        ['one', 'v2', 2],
        ['two', 'v1', 0],
        ['two', 'v2', 1],
      ],
    );
    await fresh.stop();
    const left = await listed(machine);
    assert.equal(left.length, 3);

    const old = left[0]?.id ?? '';
    const unconfirmed = await runRowfs(['shadow', 'discard', old, '--json'], machine);
    assert.match(unconfirmed.stderr, /NOT_CONFIRMED/);
    await askRowfs(['shadow', 'discard', old, '--yes'], machine);
    assert.equal((await listed(machine)).length, 2);
    const shadows = join(directory, 'state-machine/proxy', id, 'one/shadows');
    assert.deepEqual(await readdir(shadows), ['v2']);
    assert.ok(!existsSync(join(shadows, 'v1')));
  });
