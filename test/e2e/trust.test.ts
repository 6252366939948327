/** Who is trusted for what, as users meet it: channels, rollback, names, keys that change, a private fleet. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  askRowfs,
  type RowfsDaemon,
  type RowfsOptions,
  runRowfs,
  startRowfs,
} from '../support/rowfs.ts';
import { type TestScope, testScope } from '../support/test-scope.ts';

type ReadyNode = { readonly peerId: string; readonly addresses: readonly string[] };
type Resolved = {
  readonly version: string;
  readonly seq: number;
  readonly manifest: { readonly digest: string; readonly bytes: number };
};

const anyPort = ['--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'];

function startNode(scope: TestScope, owner = 'node'): Promise<RowfsDaemon<ReadyNode>> {
  const args = ['node', '--alone', '--listen', '/ip4/127.0.0.1/tcp/0', '--rest', '127.0.0.1:0'];
  return startRowfs<ReadyNode>(args, { directory: scope.directory, owner });
}

/** Publishes `debian` in this version, from a new server of its own. */
async function publish(
  scope: TestScope,
  owner: RowfsOptions,
  version: string,
  ...more: readonly string[]
): Promise<void> {
  const image = join(scope.directory, `image-${version}`);
  await mkdir(image);
  await writeFile(join(image, 'version'), version);
  await askRowfs(['image', 'build', image], owner);
  const server = scope.own(
    await startRowfs<{ port: number }>(['serve', image, '--listen', '127.0.0.1:0'], {
      directory: scope.directory,
      owner: `server-${version}`,
    }),
  );
  const address = `127.0.0.1:${server.ready.port}:/`;
  await askRowfs(['publish', 'debian', '--version', version, '--server', address, ...more], owner);
}

async function setUp(
  scope: TestScope,
): Promise<{ owner: RowfsOptions; user: RowfsOptions; id: string }> {
  const node = scope.own(await startNode(scope));
  const { directory } = scope;
  const registry = node.ready.addresses;
  const owner = { directory, owner: 'publisher', registry };
  const { publisher } = await askRowfs<{ publisher: string }>(['key'], owner);
  return { owner, user: { ...owner, owner: 'user' }, id: publisher };
}

test('a version is tried in beta, becomes stable, and is gone back from, under a name of the user', async (t) => {
  const scope = await testScope(t);
  const { owner, user, id } = await setUp(scope);
  await publish(scope, owner, 'v1');
  await publish(scope, owner, 'v2', '--channel', 'beta');
  await askRowfs(['trust', 'add', 'acme', id], user);
  const resolve = (...args: readonly string[]): Promise<Resolved> =>
    askRowfs<Resolved>(['resolve', ...args], user);
  const [stable, beta] = [await resolve('debian@acme'), await resolve('debian@acme:beta')];
  assert.deepEqual([stable.version, beta.version], ['v1', 'v2']);
  await askRowfs(['channel', 'set', 'debian', 'stable', 'beta'], owner);
  assert.equal((await resolve('debian@acme')).version, 'v2');
  await askRowfs(['rollback', 'debian'], owner);
  const back = await resolve('debian@acme');
  assert.deepEqual([back.version, back.seq], ['v1', 4]);
  assert.equal((await resolve('debian@acme', '--digest', beta.manifest.digest)).version, 'v2');
  const pinned = [
    'proxy',
    'debian@acme:beta',
    ...anyPort,
    '--digest',
    stable.manifest.digest,
    '--json',
  ];
  assert.match((await runRowfs(pinned, user)).stderr, /is not the image/);

  const other = await askRowfs<{ publisher: string }>(['key'], user);
  const again = await runRowfs(['trust', 'add', 'acme', other.publisher, '--json'], user);
  assert.match(again.stderr, /ANOTHER_KEY/);
  const unknown = await runRowfs(['resolve', 'debian@nobody', '--json'], user);
  assert.match(unknown.stderr, /UNKNOWN_PUBLISHER/);
});

test('a key is replaced by its recovery key alone, and appliances keep their ids; a revoked one is the end', async (t) => {
  const scope = await testScope(t);
  const { owner, user, id } = await setUp(scope);
  await publish(scope, owner, 'v1');
  const recovery = join(scope.directory, 'recovery.key');
  await askRowfs(['key', 'recovery', recovery], owner);
  const without = await runRowfs(['key', 'rotate', '--json'], owner);
  assert.match(without.stderr, /NO_KEY/);
  const { key: successor } = await askRowfs<{ key: string }>(
    ['key', 'rotate', '--recovery', recovery],
    owner,
  );
  assert.notEqual(successor, id);
  await publish(scope, owner, 'v2');
  assert.equal((await askRowfs<Resolved>(['resolve', `debian@${id}`], user)).version, 'v2');

  const proxy = ['proxy', `debian@${id}`, ...anyPort];
  await (await startRowfs(proxy, user)).stop();

  await askRowfs(['key', 'revoke', '--recovery', recovery, '--yes'], owner);
  assert.match((await runRowfs(['resolve', `debian@${id}`, '--json'], user)).stderr, /KEY_REVOKED/);
  assert.match((await runRowfs([...proxy, '--json'], user)).stderr, /IMAGE_REFUSED/);
  const last = await runRowfs(['rollback', 'debian', '--to', 'v1', '--json'], owner);
  assert.match(last.stderr, /KEY_REVOKED/);
});

test('a private fleet answers machines that were invited, until they are revoked', async (t) => {
  const scope = await testScope(t);
  const { directory } = scope;
  await askRowfs(['fleet', 'init'], { directory, owner: 'node' });
  const node = scope.own(await startNode(scope));
  const registry = node.ready.addresses;
  const founder = { directory, owner: 'node', registry };
  const machine = { directory, owner: 'machine', registry };
  const ls = ['ls', `debian@${node.ready.peerId}`, '--json'];
  assert.match((await runRowfs(ls, machine)).stderr, /REGISTRY_UNREACHABLE/);

  const { invitation } = await askRowfs<{ invitation: string }>(['fleet', 'invite'], founder);
  const { member } = await askRowfs<{ member: string }>(['fleet', 'join', invitation], machine);
  assert.match((await runRowfs(ls, machine)).stderr, /APPLIANCE_NOT_FOUND/);
  const twice = await runRowfs(['fleet', 'join', invitation, '--json'], { ...machine, owner: 'x' });
  assert.match(twice.stderr, /NOT_A_MEMBER/);

  const revoked = await askRowfs<{ told: boolean }>(['fleet', 'revoke', member], founder);
  assert.equal(revoked.told, true);
  assert.match((await runRowfs(ls, machine)).stderr, /REGISTRY_UNREACHABLE/);
});
