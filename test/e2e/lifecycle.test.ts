/** Commands that end cleanly take back what they said, and what was known outlives the registry. */
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
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
import { type TestScope, testScope } from '../support/test-scope.ts';

type ReadyNode = { readonly addresses: readonly string[]; readonly rest: string };
type Publisher = RowfsOptions & { readonly id: string };

/** Longer than the test: only a withdrawal can end it in time. */
const LEASE = '10m';
const anyPort = ['--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'];

async function startNode({ directory }: TestScope): Promise<RowfsDaemon<ReadyNode>> {
  return startRowfs(
    ['node', '--alone', '--listen', '/ip4/127.0.0.1/tcp/0', '--rest', '127.0.0.1:0'],
    { directory, owner: 'node' },
  );
}

/** Publishes `debian` in this version, from a new server of its own. */
async function publish(scope: TestScope, owner: RowfsOptions, version: string): Promise<string> {
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
  await askRowfs(['publish', 'debian', '--version', version, '--server', address], owner);
  return address;
}

async function publisherOf(scope: TestScope, node: RowfsDaemon<ReadyNode>): Promise<Publisher> {
  const owner = { directory: scope.directory, owner: 'publisher', registry: node.ready.addresses };
  const { id } = await askRowfs<{ id: string }>(['key', '--name', 'debian'], owner);
  return { ...owner, id };
}

function startProxy({ id, ...owner }: Publisher): Promise<RowfsDaemon<ReadyProxy>> {
  const args = ['proxy', id, ...anyPort, '--lease', LEASE];
  return startRowfs<ReadyProxy>(args, { ...owner, owner: 'machine' });
}

async function sharersOf(version: string, owner: RowfsOptions): Promise<number | undefined> {
  const args = ['sharers', 'debian', '--version', version];
  const { versions } = await askRowfs<{ versions: { count: number }[] }>(args, owner);
  return versions[0]?.count;
}

async function decisionOn(version: string, owner: RowfsOptions): Promise<string | undefined> {
  const { plan } = await askRowfs<{
    plan: { decisions: { version: string; decision: string }[] };
  }>(['gc', 'debian', '--keep', '1', '--grace', '0s'], owner);
  return plan.decisions.find((each) => each.version === version)?.decision;
}

test('a version is kept while a proxy uses it, and may go as soon as that proxy ended cleanly', async (t) => {
  const scope = await testScope(t);
  const publisher = await publisherOf(scope, scope.own(await startNode(scope)));
  await publish(scope, publisher, 'v1');
  for (const signal of ['SIGINT', 'SIGHUP'] as const) {
    const proxy = scope.own(await startProxy(publisher));
    assert.equal(await sharersOf('v1', publisher), 1);
    if (signal === 'SIGHUP') {
      await publish(scope, publisher, 'v2');
      assert.equal(await decisionOn('v1', publisher), 'keep');
    }
    assert.deepEqual(await proxy.process.kill(signal), { status: 0, signal: null });
    assert.equal(await sharersOf('v1', publisher), 0, signal);
  }
  assert.equal(await decisionOn('v1', publisher), 'delete');
});

test('a server that ends cleanly is withdrawn at once', async (t) => {
  const scope = await testScope(t);
  const publisher = await publisherOf(scope, scope.own(await startNode(scope)));
  await publish(scope, publisher, 'v1');
  const servers = async (): Promise<number> => {
    const found = await askRowfs<{ servers: unknown[] }>(['resolve', publisher.id], publisher);
    return found.servers.length;
  };
  const image = join(scope.directory, 'image-v1');
  const announced = scope.own(
    await startRowfs<{ announced: boolean }>(
      ['serve', image, ...anyPort, '--appliance', publisher.id, '--version', 'v1'],
      { ...publisher, owner: 'volunteer' },
    ),
  );
  assert.equal(announced.ready.announced, true);
  assert.equal(await servers(), 2);
  await announced.stop();
  assert.equal(await servers(), 1);

  await writeFile(join(image, 'version'), 'another');
  await askRowfs(['image', 'build', image], publisher);
  const refused = await runRowfs(
    ['serve', image, ...anyPort, '--appliance', publisher.id, '--version', 'v1', '--json'],
    { ...publisher, owner: 'volunteer' },
  );
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /ANOTHER_IMAGE/, 'what is not the version is not announced as it');
});

test('a version is one image for ever', async (t) => {
  const scope = await testScope(t);
  const publisher = await publisherOf(scope, scope.own(await startNode(scope)));
  const server = await publish(scope, publisher, 'v1');
  const again = ['publish', 'debian', '--version', 'v1', '--server', server, '--json'];
  const plain = await runRowfs([...again, '--no-manifest'], publisher);
  assert.match(plain.stderr, /ANOTHER_IMAGE/);
  await rm(join(scope.directory, 'image-v1', '.rowfs'), { recursive: true });
  const bare = await runRowfs(again, publisher);
  assert.match(bare.stderr, /NO_MANIFEST.*rowfs image build/);
});

test('publishing the same again is a refresh, and nothing else', async (t) => {
  const scope = await testScope(t);
  const node = scope.own(await startNode(scope));
  const publisher = await publisherOf(scope, node);
  const server = await publish(scope, publisher, 'v1');
  const again = await askRowfs<{ refreshed: boolean }>(
    ['publish', 'debian', '--version', 'v1', '--server', server],
    publisher,
  );
  assert.equal(again.refreshed, true);
  const { versions } = await askRowfs<{ versions: { version: string; servers: number }[] }>(
    ['ls', 'debian'],
    publisher,
  );
  assert.deepEqual(
    versions.map(({ version, servers }) => [version, servers]),
    [['v1', 1]],
  );

  const ghost = publisher.id.replace('debian@', 'ghost@');
  const answer = await fetch(`${node.ready.rest}/v1/appliances/${encodeURIComponent(ghost)}`);
  assert.equal(answer.status, 404);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
  assert.doesNotMatch(await answer.text(), /\bat .*:\d+/, 'a problem, never a stack');
});

test('a machine boots from what it knew when the registry is gone, and says since when', async (t) => {
  const scope = await testScope(t);
  const node = scope.own(await startNode(scope));
  const publisher = await publisherOf(scope, node);
  await publish(scope, publisher, 'v1');
  const before = scope.own(await startProxy(publisher));
  await before.stop();
  await node.process.kill();

  const proxy = scope.own(await startProxy(publisher));
  const { version, staleSince } = proxy.ready as ReadyProxy & { staleSince: string | null };
  assert.equal(version, 'v1');
  assert.ok(staleSince !== null && Date.parse(staleSince) <= Date.now());
  await proxy.stop();
});
