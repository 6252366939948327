/** What gc lets go is deleted where `rowfs serve` was told to, and nowhere before nobody uses it. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  askRowfs,
  type ReadyProxy,
  type RowfsOptions,
  runRowfs,
  startRowfs,
} from '../support/rowfs.ts';
import { type TestScope, testScope } from '../support/test-scope.ts';

const FILE_BYTES = 1 << 20;
const anyPort = ['--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'];

interface GcAnswer {
  readonly plan: { readonly decisions: readonly { version: string; reason: string }[] };
  readonly deletable: readonly {
    readonly version: string;
    readonly deleted: readonly { readonly server: string; readonly freedBytes: number }[];
    readonly serving: readonly string[];
    readonly byHand: readonly string[];
  }[];
  readonly resurrected: readonly string[];
  readonly freedBytes: number;
}

async function startNode(scope: TestScope): Promise<readonly string[]> {
  const node = scope.own(
    await startRowfs<{ addresses: readonly string[] }>(
      ['node', '--alone', '--listen', '/ip4/127.0.0.1/tcp/0', '--rest', '127.0.0.1:0'],
      { directory: scope.directory, owner: 'node' },
    ),
  );
  return node.ready.addresses;
}

/** Serves a version of `debian` in a directory of its own, and publishes it. */
async function publish(
  scope: TestScope,
  owner: RowfsOptions,
  version: string,
  serveOptions: readonly string[],
) {
  const image = join(scope.directory, `image-${version}`);
  await mkdir(image);
  await writeFile(join(image, 'contents'), Buffer.alloc(FILE_BYTES, version));
  await askRowfs(['image', 'build', image], owner);
  const { id } = await askRowfs<{ id: string }>(['key', '--name', 'debian'], owner);
  const server = scope.own(
    await startRowfs<{ port: number }>(
      ['serve', image, ...anyPort, '--appliance', id, '--version', version, '--ttl', '2s'].concat(
        serveOptions,
      ),
      // A machine of its own, but for the key where gc is to run there.
      serveOptions.includes('--gc-every') ? owner : { ...owner, owner: `server-${version}` },
    ),
  );
  const address = `127.0.0.1:${server.ready.port}:/`;
  await askRowfs(['publish', 'debian', '--version', version, '--server', address], owner);
  return { image, server, address, id };
}

test('gc has the data deleted of what nobody uses, and says how much', async (t) => {
  const scope = await testScope(t);
  const registry = await startNode(scope);
  const owner = { directory: scope.directory, owner: 'publisher', registry };
  const first = await publish(scope, owner, 'v1', ['--delete-retired']);
  const second = await publish(scope, owner, 'v2', ['--delete-retired']);
  const gc = ['gc', 'debian', '--keep', '1', '--grace', '0s', '--lease', '2s', '--apply'];

  const proxy = scope.own(
    await startRowfs<ReadyProxy>(
      ['proxy', first.id, '--version', 'v1', ...anyPort, '--lease', '2s'],
      { ...owner, owner: 'machine' },
    ),
  );
  const inUse = await askRowfs<GcAnswer>(gc, owner);
  assert.deepEqual(
    inUse.plan.decisions.map(({ reason }) => reason),
    ['CURRENT', 'SHARERS'],
  );
  await proxy.stop();

  const report = await askRowfs<GcAnswer>([...gc, '--wait', '30s'], owner);
  const [gone] = report.deletable;
  assert.equal(gone?.version, 'v1');
  assert.deepEqual([gone.serving, gone.byHand, gone.deleted.length], [[], [], 1]);
  assert.equal(gone.deleted[0]?.server, first.address);
  assert.ok(report.freedBytes >= FILE_BYTES);
  assert.equal((await first.server.process.ended).status, 0, 'it has nothing left to serve');
  assert.deepEqual([existsSync(first.image), existsSync(second.image)], [false, true]);
});

test('gc runs by itself where its publisher serves, and only there', async (t) => {
  const scope = await testScope(t);
  const registry = await startNode(scope);
  const owner = { directory: scope.directory, owner: 'publisher', registry };
  const old = await publish(scope, owner, 'v1', ['--delete-retired']);
  const serve = '--gc-every 1s --gc-keep 1 --gc-grace 0s --gc-lease 2s --delete-retired';
  const current = await publish(scope, owner, 'v2', serve.split(' '));
  assert.equal((await old.server.process.ended).status, 0);
  assert.deepEqual([existsSync(old.image), existsSync(current.image)], [false, true]);

  const stranger = await runRowfs(
    [
      'serve',
      current.image,
      ...anyPort,
      '--appliance',
      old.id,
      '--version',
      'v2',
      '--gc-every',
      '1h',
    ],
    { ...owner, owner: 'server-v1' },
  );
  assert.equal(stranger.status, 1);
  assert.match(stranger.stderr, /publisher\.key|not yours/);
});

test('a directory that holds more than an image is not for deletion', async (t) => {
  const scope = await testScope(t);
  const owner = { directory: scope.directory, owner: 'server' };
  const [id] = ['debian@12D3KooWGAf7gNBWUjbdJShQYnpDqWLfUDKqxVmwFz6fcgMGN5RY'];
  const args = ['serve', scope.directory, ...anyPort, '--appliance', id, '--version', '1'];
  const { status, stderr } = await runRowfs([...args, '--delete-retired'], owner);
  assert.deepEqual([status, existsSync(scope.directory)], [1, true]);
  assert.match(stderr, /which holds .*state-server/);
});
