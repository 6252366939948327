/** What servers, disks and crashes may do to a verified image: never is a wrong byte read. */
import assert from 'node:assert/strict';
import { open, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test, { type TestContext } from 'node:test';
import { execa } from 'execa';
import { damagedAt, dishonest, startDishonest, startEndless } from '../support/dishonest-server.ts';
import { type Ganesha, startGanesha } from '../support/ganesha.ts';
import { startRelay } from '../support/relay.ts';
import { requires } from '../support/requirements.ts';
import {
  askRowfs,
  type ReadyProxy,
  type RowfsDaemon,
  startRowfs,
  stateOf,
} from '../support/rowfs.ts';
import { makeSampleTree } from '../support/sample-tree.ts';
import { READ_BYTES, ServedFiles } from '../support/served-files.ts';
import { smallDisk } from '../support/small-disk.ts';
import { type TestScope, testScope } from '../support/test-scope.ts';

const LARGE = 'sizes/3145733 bytes';

class ImageBench {
  readonly scope: TestScope;
  readonly tree: string;
  digest = '';
  #proxies = 0;

  static async make(t: TestContext): Promise<ImageBench> {
    const scope = await testScope(t);
    const bench = new ImageBench(scope, join(scope.directory, 'tree'));
    await mkdir(bench.tree);
    await makeSampleTree(bench.tree, { seed: 7, randomFiles: 40 });
    const owner = { directory: scope.directory, owner: 'publisher' };
    ({ digest: bench.digest } = await askRowfs<{ digest: string }>(
      ['image', 'build', bench.tree],
      owner,
    ));
    return bench;
  }

  private constructor(scope: TestScope, tree: string) {
    this.scope = scope;
    this.tree = tree;
  }

  async honest(): Promise<Ganesha> {
    const { tree, scope } = this;
    const exports = [{ path: tree, access: 'read-only' }] as const;
    return scope.own(await startGanesha({ exports, directory: scope.directory }));
  }

  address({ nfsPort, mountPort }: Ganesha): string {
    return `127.0.0.1:${nfsPort},${mountPort}:${this.tree}`;
  }

  /** On a machine of its own unless an owner is given. */
  async proxy(
    servers: readonly string[],
    options: { readonly owner?: string; readonly enter?: readonly string[] } = {},
  ): Promise<RowfsDaemon<ReadyProxy>> {
    const { directory } = this.scope;
    const owner = options.owner ?? `machine-${(this.#proxies += 1)}`;
    const args = ['--digest', this.digest, '--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'];
    return this.scope.own(
      await startRowfs<ReadyProxy>(
        ['proxy', ...servers.flatMap((server) => ['--server', server]), ...args],
        { directory, ...options, owner },
      ),
    );
  }

  async files({ ready }: RowfsDaemon<ReadyProxy>): Promise<ServedFiles> {
    return this.scope.own(await ServedFiles.mount(ready));
  }

  async assertSame(proxy: RowfsDaemon<ReadyProxy>): Promise<void> {
    assert.deepEqual(await (await this.files(proxy)).differences(this.tree), []);
  }
}

interface Server {
  readonly address: string;
  readonly state: string;
  readonly lastError: { readonly code: string } | null;
}

async function serversOf({ ready }: RowfsDaemon<ReadyProxy>): Promise<readonly Server[]> {
  const answer = await fetch(`${ready.rest}/v1/sessions`);
  const { sessions } = (await answer.json()) as { sessions: { servers: Server[] }[] };
  return sessions[0]?.servers ?? [];
}

test(
  'a crowd of dishonest servers and one that is honest',
  { skip: requires('ganesha') },
  async (t) => {
    const bench = await ImageBench.make(t);
    const { scope, tree } = bench;
    const older = join(scope.directory, 'older');
    await execa('cp', ['-a', tree, older]);
    await writeFile(join(older, LARGE), 'what it was before');
    const liars = await Promise.all([
      ...Object.values(dishonest).map((layer) => startDishonest(tree, layer)),
      startDishonest(older, (lower) => lower),
      startEndless(),
    ]);
    for (const liar of liars) scope.own(liar);
    const honest = await bench.honest();
    const proxy = await bench.proxy([
      ...liars.map(({ port }) => `127.0.0.1:${port}:/`),
      bench.address(honest),
    ]);
    await bench.assertSame(proxy);
    const servers = await serversOf(proxy);
    const found = servers.filter(({ lastError }) => lastError !== null);
    assert.ok(found.length > 0);
    assert.ok(found.every(({ address, state }) => state === 'demoted' && !address.includes(tree)));
    await proxy.stop();
  },
);

test('only what no server has right is refused', async (t) => {
  const bench = await ImageBench.make(t);
  const at = 20 * READ_BYTES + 77;
  const damaged = bench.scope.own(await startDishonest(bench.tree, damagedAt(at)));
  const proxy = await bench.proxy([`127.0.0.1:${damaged.port}:/`]);
  const files = await bench.files(proxy);
  const { size } = await stat(join(bench.tree, LARGE));
  const pieces = await files.pieces(LARGE, size);
  const refused = pieces.flatMap((piece, i) => (typeof piece === 'string' ? [[i, piece]] : []));
  assert.deepEqual(refused, [[20, 'NFS3ERR_IO']]);
  const before = await files.read(LARGE, 15 * READ_BYTES, 16 * READ_BYTES);
  assert.ok(Buffer.concat(pieces.slice(15, 20) as Buffer[]).equals(before as Buffer));
  assert.equal(await files.read(LARGE, 20 * READ_BYTES, 16 * READ_BYTES), 'NFS3ERR_IO');
  const others = (await files.differences(bench.tree)).filter((each) => !each.startsWith(LARGE));
  // The only other file that is as long.
  assert.ok(
    others.every((each) => each.startsWith('sparse at ')),
    others.join(),
  );
  assert.deepEqual(
    (await serversOf(proxy)).map(({ lastError }) => lastError?.code),
    ['BAD_BLOCK'],
  );
  await proxy.stop();
});

test('a server that goes away is waited for', { skip: requires('ganesha') }, async (t) => {
  const bench = await ImageBench.make(t);
  const honest = await bench.honest();
  const proxy = await bench.proxy([bench.address(honest)]);
  const files = await bench.files(proxy);
  await honest.kill();
  const reading = files.differences(bench.tree);
  await pause(1_000);
  await honest.start();
  assert.deepEqual(await reading, []);
  await proxy.stop();
});

test('kill -9 in the middle of a fill', { skip: requires('ganesha') }, async (t) => {
  const bench = await ImageBench.make(t);
  const { nfsPort, mountPort } = await bench.honest();
  const slow = bench.scope.own(
    await startRelay({ targetPorts: [nfsPort, mountPort], bytesPerSecond: 2_000_000 }),
  );
  const server = `127.0.0.1:${slow.ports[0]},${slow.ports[1]}:${bench.tree}`;
  for (let kills = 0; kills < 3; kills += 1) {
    const proxy = await bench.proxy([server], { owner: 'machine' });
    const files = await ServedFiles.mount(proxy.ready);
    const reading = files.differences(bench.tree).catch(() => []);
    await pause(300 * (kills + 1));
    await proxy.close();
    await files.close();
    await reading;
  }
  const proxy = await bench.proxy([server], { owner: 'machine' });
  await bench.assertSame(proxy);
  await proxy.stop();
});

test('a cache with flipped bits', { skip: requires('ganesha') }, async (t) => {
  const bench = await ImageBench.make(t);
  const server = bench.address(await bench.honest());
  const owner = 'machine';
  const first = await bench.proxy([server], { owner });
  await bench.assertSame(first);
  await first.stop();
  const cache = join(stateOf({ directory: bench.scope.directory, owner }), 'cache');
  const flipped = await flipBits(cache);
  assert.ok(flipped > 0, 'there is something in the cache');
  const second = await bench.proxy([server], { owner });
  await bench.assertSame(second);
  await second.stop();
});

test('a cache on a disk that is full', { skip: requires('ganesha') }, async (t) => {
  const bench = await ImageBench.make(t);
  const server = bench.address(await bench.honest());
  const owner = 'machine';
  const { directory } = bench.scope;
  const mountpoint = join(stateOf({ directory, owner }), 'cache');
  const bytes = 4 * 2 ** 20;
  const disk = bench.scope.own(await smallDisk({ kind: 'tmpfs', bytes, mountpoint, directory }));
  await disk.run(`head -c 2500000 /dev/urandom > "${mountpoint}/filler"`);
  const proxy = await bench.proxy([server], { owner, enter: disk.enter });
  await bench.assertSame(proxy);
  await proxy.stop();
});

/** One bit in each 64 KiB of every file. @returns how many. */
async function flipBits(directory: string): Promise<number> {
  let flips = 0;
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const file = await open(join(entry.parentPath, entry.name), 'r+');
    const { size } = await file.stat();
    const byte = Buffer.alloc(1);
    for (let at = Math.min(5_000, size - 1); at >= 0 && at < size; at += 65_536) {
      await file.read(byte, 0, 1, at);
      byte[0] = (byte[0] ?? 0) ^ 0x10;
      await file.write(byte, 0, 1, at);
      flips += 1;
    }
    await file.close();
  }
  return flips;
}
