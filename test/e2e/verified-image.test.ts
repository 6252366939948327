/** A verified image from servers of which one lies, with real servers and clients. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import {
  createLocalDirectory,
  listenNfs3,
  type Nfs3Layer,
  type Nfs3Listener,
  Nfsstat3,
  stack,
} from '@rowfs/nfs3';
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
} from '../support/rowfs.ts';
import { makeSampleTree } from '../support/sample-tree.ts';
import { type TestScope, testScope } from '../support/test-scope.ts';

const FILES = ['65537 bytes', '131072 bytes', '1048577 bytes', '3145733 bytes'];

interface SessionServer {
  readonly address: string;
  readonly state: string;
  readonly blocks: { readonly good: number; readonly bad: number; readonly bytes: number };
  readonly lastError: { readonly code: string; readonly message: string } | null;
}
interface SessionAnswer {
  readonly image: { readonly digest: string } | null;
  readonly servers: readonly SessionServer[];
}

/** A server that flips a bit in the data of every READ, as long as it lies. */
class Liar {
  readonly #listener: Nfs3Listener;
  readonly #state: { isLying: boolean };
  readonly #close: () => Promise<void>;

  static async start(tree: string): Promise<Liar> {
    const directory = await createLocalDirectory({ root: tree, access: 'read-only' });
    const state = { isLying: false };
    const lying: Nfs3Layer = (lower) => ({
      ...lower,
      async read(args, ctx) {
        const result = await lower.read(args, ctx);
        if (!state.isLying || result.status !== Nfsstat3.OK) return result;
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
    const node = scope.own(
      await startRowfs<{ addresses: string[] }>(
        ['node', '--alone', '--listen', '/ip4/127.0.0.1/tcp/0', '--rest', '127.0.0.1:0'],
        { directory, owner: 'node' },
      ),
    );
    const publisher = { directory, owner: 'publisher', registry: node.ready.addresses };
    const { id } = await askRowfs<{ id: string }>(['key', '--name', 'sample'], publisher);
    const publish = (version: string, servers: readonly string[], ...more: string[]) => [
      ...['publish', 'sample', '--version', version, ...more],
      ...servers.flatMap((server) => ['--server', server]),
    ];
    const startProxy = async () =>
      scope.own(
        await startRowfs<ReadyProxy>(
          ['proxy', id, '--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'],
          { ...publisher, owner: 'machine' },
        ),
      );
    const calls = (): number => relays.reduce((sum, { records }) => sum + records.toServer, 0);

    liar.isLying = true;
    const refused = await runRowfs(publish('v1', addresses), publisher);
    assert.equal(refused.status, 1);
    assert.ok(refused.stderr.includes(addresses[1]!), refused.stderr);
    liar.isLying = false;
    const { manifest } = await askRowfs<{ manifest: string }>(
      publish('v1', addresses, '--verify-all'),
      publisher,
    );

    let proxy = await startProxy();
    liar.isLying = true;
    await assertSame(proxy, tree);
    const session = await sessionOf(proxy);
    assert.equal(session.image?.digest, manifest);
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
