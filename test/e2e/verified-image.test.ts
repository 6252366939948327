/** A verified image from servers of which one lies, with real servers and clients. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout } from 'node:timers/promises';
import {
  connectNfs3,
  createLocalDirectory,
  listenNfs3,
  type Nfs3Layer,
  type Nfs3Listener,
  Nfsstat3,
  stack,
} from '@rowfs/nfs3';
import { PathClient } from '../../proxy/src/test-support/path-client.ts';
import { startGanesha } from '../support/ganesha.ts';
import { nfsCat, nfsLs } from '../support/libnfs.ts';
import type { NfsServerAddress } from '../support/nfs-server-address.ts';
import { type Relay, startRelay } from '../support/relay.ts';
import { requires } from '../support/requirements.ts';
import {
  askRowfs,
  type ReadyProxy,
  type RowfsDaemon,
  runRowfs,
  startRowfs,
  stateOf,
} from '../support/rowfs.ts';
import { makeSampleTree } from '../support/sample-tree.ts';
import { type TestScope, testScope } from '../support/test-scope.ts';

const anyPort = ['--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'];
const FILES = ['65537 bytes', '131072 bytes', '1048577 bytes', '3145733 bytes'];

interface SessionServer {
  readonly address: string;
  readonly state: string;
  readonly blocks: { readonly good: number; readonly bad: number; readonly bytes: number };
  readonly lastError: { readonly code: string; readonly message: string } | null;
}
interface SessionAnswer {
  readonly image: {
    readonly digest: string;
    readonly reads: { readonly misses: number; readonly fetchedBlocks: number };
    readonly prefetch: { readonly blocks: number; readonly done: number } | null;
  } | null;
  readonly servers: readonly SessionServer[];
}

interface PublishedFile {
  readonly digest: string;
  readonly bytes: number;
}

/** A server that flips a bit in the data of every READ but the manifest's, as long as it lies. */
class Liar {
  readonly #listener: Nfs3Listener;
  readonly #state: { isLying: boolean };
  readonly #close: () => Promise<void>;

  static async start(tree: string): Promise<Liar> {
    const directory = await createLocalDirectory({ root: tree, access: 'read-only' });
    const state = { isLying: false };
    let manifest: Uint8Array | undefined;
    const lying: Nfs3Layer = (lower) => ({
      ...lower,
      async lookup(args, ctx) {
        const result = await lower.lookup(args, ctx);
        if (args.what.name === 'manifest' && result.status === Nfsstat3.OK)
          manifest = result.object;
        return result;
      },
      async read(args, ctx) {
        const result = await lower.read(args, ctx);
        if (!state.isLying || result.status !== Nfsstat3.OK) return result;
        if (manifest !== undefined && Buffer.compare(manifest, args.file) === 0) return result;
        const data = Buffer.concat(result.data);
        if (data.length > 0) data[data.length >> 1]! ^= 1;
        return { ...result, data: [data] };
      },
    });
    const listener = await listenNfs3({ service: stack(directory, lying) });
    return new Liar(listener, state, () => directory.close());
  }

  private constructor(
    listener: Nfs3Listener,
    state: { isLying: boolean },
    close: () => Promise<void>,
  ) {
    this.#listener = listener;
    this.#state = state;
    this.#close = close;
  }

  set isLying(value: boolean) {
    this.#state.isLying = value;
  }

  get port(): number {
    return this.#listener.port;
  }

  async close(): Promise<void> {
    await this.#listener.close();
    await this.#close();
  }
}

async function readThrough(
  server: { host: string; port: number; mountPort: number },
  file: string,
  expected: Buffer,
): Promise<void> {
  const service = connectNfs3(server);
  try {
    const client = await PathClient.mount(service);
    assert.deepEqual(await client.read(file.slice(1)), expected);
  } finally {
    await service.close();
  }
}

function startNode({ directory }: TestScope): Promise<RowfsDaemon<{ addresses: string[] }>> {
  return startRowfs(['node', '--alone', '--listen', '/ip4/127.0.0.1/tcp/0', ...anyPort.slice(2)], {
    directory,
    owner: 'node',
  });
}

async function sessionOf(proxy: RowfsDaemon<ReadyProxy>): Promise<SessionAnswer> {
  const answer = await fetch(`${proxy.ready.rest}/v1/sessions`);
  const { sessions } = (await answer.json()) as { sessions: SessionAnswer[] };
  return sessions[0]!;
}

async function assertSame(proxy: RowfsDaemon<ReadyProxy>, tree: string): Promise<void> {
  const { host, port: nfsPort, mountPort } = proxy.ready;
  const server: NfsServerAddress = { host, nfsPort, mountPort };
  for (const file of FILES) {
    const path = `/sizes/${file}`;
    assert.deepEqual(Buffer.from(await nfsCat(server, path)), await readFile(join(tree, path)));
  }
  const listed = await nfsLs(server, '/');
  assert.ok(!listed.some(({ name }) => name === '.rowfs'), 'the manifest is not part of the image');
}

/** A tree, its copy, and who serves them, each behind a relay that counts calls. */
async function startServers(scope: TestScope): Promise<{
  tree: string;
  liar: Liar;
  relays: readonly Relay[];
  addresses: readonly string[];
}> {
  const { directory } = scope;
  const tree = join(directory, 'tree');
  const copy = join(directory, 'copy');
  await mkdir(tree);
  await makeSampleTree(tree, { seed: 5, randomFiles: 10 });
  await askRowfs(['image', 'build', tree], { directory, owner: 'publisher' });
  execFileSync('cp', ['-a', tree, copy]);
  const ganesha = scope.own(
    await startGanesha({ exports: [{ path: tree, access: 'read-only' }], directory }),
  );
  const liar = scope.own(await Liar.start(copy));
  const honest = scope.own(await startRelay({ targetPorts: [ganesha.nfsPort, ganesha.mountPort] }));
  const lying = scope.own(await startRelay({ targetPorts: [liar.port] }));
  const [nfsPort, mountPort] = honest.ports;
  return {
    tree,
    liar,
    relays: [honest, lying],
    addresses: [`127.0.0.1:${nfsPort},${mountPort}:${tree}`, `127.0.0.1:${lying.ports[0]}:/`],
  };
}

test(
  'a server that lies is found out and named, and what was read once is not fetched again',
  { skip: requires('ganesha', 'libnfs') },
  async (t) => {
    const scope = await testScope(t);
    const { directory } = scope;
    const { tree, liar, relays, addresses } = await startServers(scope);
    const node = scope.own(await startNode(scope));
    const publisher = { directory, owner: 'publisher', registry: node.ready.addresses };
    const { id } = await askRowfs<{ id: string }>(['key', '--name', 'sample'], publisher);
    const publish = (version: string, servers: readonly string[], ...more: string[]) => [
      ...['publish', 'sample', '--version', version, ...more],
      ...servers.flatMap((server) => ['--server', server]),
    ];
    const startProxy = async () =>
      scope.own(
        await startRowfs<ReadyProxy>(['proxy', id, ...anyPort], { ...publisher, owner: 'machine' }),
      );
    const calls = (): number => relays.reduce((sum, { records }) => sum + records.toServer, 0);

    liar.isLying = true;
    const refused = await runRowfs(publish('v1', addresses), publisher);
    assert.equal(refused.status, 1);
    assert.ok(refused.stderr.includes(addresses[1]!), refused.stderr);
    assert.match(refused.stderr, / right at \d+: /, 'the file and the place in it are named');
    liar.isLying = false;
    const { manifest } = await askRowfs<{ manifest: PublishedFile }>(
      publish('v1', addresses, '--verify-all'),
      publisher,
    );

    let proxy = await startProxy();
    liar.isLying = true;
    await assertSame(proxy, tree);
    const session = await sessionOf(proxy);
    assert.equal(session.image?.digest, manifest.digest);
    assert.equal(manifest.bytes, (await stat(join(tree, '.rowfs', 'manifest'))).size);
    const [honest, lying] = addresses.map((address) =>
      session.servers.find((each) => each.address === address.replace(/,\d+/, '')),
    );
    assert.ok(lying !== undefined && lying.blocks.bad > 0, 'the liar was asked, and found out');
    assert.equal(lying.state, 'demoted');
    assert.equal(lying.lastError?.code, 'BAD_BLOCK');
    assert.ok(honest !== undefined && honest.blocks.bad === 0);
    const { stdout } = await runRowfs(['status'], { ...publisher, owner: 'machine' });
    assert.match(stdout, / [0-9]+ WRONG: .*wrong bytes at/);
    assert.ok(proxy.process.output.includes(lying.address), 'and named in the log');
    await proxy.stop();

    await t.test('the second run calls no server', async () => {
      const before = calls();
      proxy = await startProxy();
      await assertSame(proxy, tree);
      assert.equal(calls(), before);
      assert.ok((await sessionOf(proxy)).servers.every(({ state }) => state === 'idle'));
      await proxy.stop();
    });

    await t.test('of a second version only what changed is fetched', async () => {
      const next = join(directory, 'next');
      execFileSync('cp', ['-a', tree, next]);
      const file = join(next, 'sizes', '1048577 bytes');
      const changed = await readFile(file);
      changed[500_000]! ^= 1;
      await writeFile(file, changed);
      await askRowfs(['image', 'build', next], publisher);
      const server = scope.own(await Liar.start(next));
      await askRowfs(publish('v2', [`127.0.0.1:${server.port}:/`]), publisher);
      proxy = await startProxy();
      assert.equal(proxy.ready.version, 'v2');
      await assertSame(proxy, next);
      const { servers } = await sessionOf(proxy);
      assert.equal(
        servers.reduce((sum, { blocks }) => sum + blocks.bytes, 0),
        65_536,
        'the one block that is new',
      );
      await proxy.stop();
    });
  },
);

test('what a boot read is published, and fetched ahead by machines that boot later', async (t) => {
  const scope = await testScope(t);
  const { directory } = scope;
  const tree = join(directory, 'tree');
  await mkdir(tree);
  await makeSampleTree(tree, { seed: 6, randomFiles: 10 });
  const node = scope.own(await startNode(scope));
  const publisher = { directory, owner: 'publisher', registry: node.ready.addresses };
  const { id } = await askRowfs<{ id: string }>(['key', '--name', 'sample'], publisher);
  const { digest } = await askRowfs<{ digest: string }>(['image', 'build', tree], publisher);
  const server = scope.own(await Liar.start(tree));
  const publish = (...more: string[]) => [
    ...['publish', 'sample', '--version', 'v1', '--server', `127.0.0.1:${server.port}:/`],
    ...more,
  ];
  const machine = (owner: string) => ({ ...publisher, owner });
  await askRowfs(publish(), publisher);
  const boot = async (owner: string) =>
    scope.own(await startRowfs<ReadyProxy>(['proxy', id, ...anyPort], machine(owner)));

  const first = await boot('first');
  const file = '/sizes/1048577 bytes';
  const read = async ({ ready }: RowfsDaemon<ReadyProxy>) =>
    readThrough(ready, file, await readFile(join(tree, file)));
  await read(first);
  const recorded = join(stateOf(machine('first')), 'cache', 'boot-profiles', digest);
  // Not at the end only, which a machine may not live to see.
  while (!existsSync(recorded) && !t.signal.aborted) await setTimeout(50);
  await first.close();
  const notThere = await runRowfs([...publish('--profile', recorded), '--json'], publisher);
  assert.match(notThere.stderr, /NO_PROFILE/);
  await copyFile(recorded, join(tree, '.rowfs', 'boot-profile'));
  const published = await askRowfs<{ refreshed: boolean; bootProfile: PublishedFile | null }>(
    publish(),
    publisher,
  );
  assert.equal(published.refreshed, true);
  const resolved = await askRowfs<{ bootProfile: PublishedFile | null }>(
    ['resolve', id],
    publisher,
  );
  assert.deepEqual(resolved.bootProfile, published.bootProfile);
  assert.equal(resolved.bootProfile?.bytes, (await stat(recorded)).size);

  const second = await boot('second');
  let image = (await sessionOf(second)).image;
  while (image?.prefetch?.done !== 17 && !t.signal.aborted) {
    await setTimeout(50);
    image = (await sessionOf(second)).image;
  }
  assert.deepEqual(image?.prefetch, { blocks: 17, done: 17 });
  await read(second);
  const { reads } = (await sessionOf(second)).image!;
  assert.equal(reads.fetchedBlocks, 17, 'the blocks of the file that the first boot read');
  assert.equal(reads.misses, 0);
  await second.stop();
});
