import assert from 'node:assert/strict';
import { cp, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { buildImage, MANIFEST_PATH, readImage, saveImageInTree } from '@rowfs/image';
import { connectNfs3, type Nfs3Layer, Nfsstat3, walk } from '@rowfs/nfs3';
import { pino } from 'pino';
import { BlockCache } from '../block-cache/block-cache.ts';
import { type ImageServer, type Locator, serverAddress } from '../locator.ts';
import { createProxy, type Proxy, type ProxyOptions } from '../proxy.ts';
import { TestBench, testContext as ctx } from '../test-support/image-servers.ts';
import { PathClient } from '../test-support/path-client.ts';

const failover = { patienceMs: 200, mountMs: 500, probeMs: { first: 20, last: 100 }, holdMs: 300 };

let bench: TestBench;
let tree: string;
let published: { readonly digest: string; readonly manifestBytes: number };
let stateDirectory: string;

beforeEach(async () => {
  bench = new TestBench();
  stateDirectory = join(await bench.directory(), 'state');
  tree = await bench.directory();
  for (const name of ['read', 'unread']) await writeFile(join(tree, name), `${name} of the image`);
  published = await describeTree(tree);
});
afterEach(() => bench.close());

async function describeTree(directory: string): Promise<typeof published> {
  const built = await buildImage(directory);
  await saveImageInTree(directory, built);
  const { digest, bytes } = built.image;
  return { digest: digest.toString('hex'), manifestBytes: bytes.length };
}

const locate = (servers: readonly ImageServer[]): Locator => ({
  locate: async () => ({ appliance: 'app', version: '1', ...published, servers }),
});

async function startProxy(options: Partial<ProxyOptions> & { locator: Locator }): Promise<Proxy> {
  const proxy = await createProxy({ stateDirectory, failover, ...options });
  bench.onClose(() => proxy.close());
  return proxy;
}

async function clientOf({ address }: Pick<Proxy, 'address'>): Promise<PathClient> {
  const service = connectNfs3(address);
  bench.onClose(() => service.close());
  return PathClient.mount(service);
}

async function statusOfRead({ service, root }: PathClient, name: string): Promise<number> {
  const found = await walk(service, root, [name], ctx);
  assert.ok(found.status === Nfsstat3.OK);
  return (await service.read({ file: found.object, offset: 0, count: 100 }, ctx)).status;
}

/** Resolves when the only block of a file is in the cache, to which it goes in the background. */
async function stored(name: string): Promise<void> {
  const directory = join(stateDirectory, 'cache', 'blocks');
  const cache = await BlockCache.open({ directory, logger: pino({ level: 'silent' }) });
  const image = await readImage(join(tree, MANIFEST_PATH));
  const number = image.blocks(image.lookup(image.root, name) ?? 0, 0, 1)[0]?.stored?.number ?? 0;
  const cached = cache.attach(image);
  while (!cached.has(number)) {
    await setTimeout(5);
    cache.refresh();
  }
  await cache.close();
}

describe('a verified image below a proxy', () => {
  it('comes from whichever server has its manifest, and those that have another are named', async () => {
    const stale = await bench.copyOf(tree);
    await writeFile(join(stale, 'read'), 'of another image');
    await describeTree(stale);
    const without = await bench.copyOf(tree);
    await rm(join(without, MANIFEST_PATH));
    const servers = [
      await bench.serve(stale),
      await bench.serve(without),
      await bench.hungServer(),
      await bench.serve(tree),
    ];
    const proxy = await startProxy({ locator: locate(servers) });
    const [notice, ...others] = proxy.notices;
    assert.match(notice ?? '', new RegExp(`^${serverAddress(servers[0]!)} is not trusted`));
    assert.deepEqual(others, []);
    const client = await clientOf(proxy);
    assert.equal((await client.read('read')).toString(), 'read of the image');
    assert.deepEqual(await client.names(''), ['read', 'unread']);
    const [distrusted, ...good] = (await proxy.status()).servers;
    assert.deepEqual(
      [distrusted?.state, distrusted?.lastError?.code],
      ['demoted', 'WRONG_MANIFEST'],
    );
    assert.equal(distrusted?.blocks?.good, 0);
    assert.equal(
      good.reduce((sum, { blocks }) => sum + (blocks?.good ?? 0), 0),
      1,
    );
  });

  it('does not start when nobody has the manifest that was signed', async () => {
    const stale = await bench.copyOf(tree);
    await writeFile(join(stale, 'read'), 'of another image');
    await describeTree(stale);
    const server = await bench.serve(stale);
    await assert.rejects(startProxy({ locator: locate([server]) }), {
      code: 'NOT_FETCHABLE',
      message: /its \.rowfs\/manifest is not the published one: .* digest is/,
    });
    const hung = [await bench.hungServer()];
    await assert.rejects(startProxy({ locator: locate(hung), startMs: 300 }), {
      code: 'NOT_FETCHABLE',
    });
  });

  it('endless data: a server with a longer manifest is not trusted, and nothing of it is read', async () => {
    const endless = await bench.copyOf(tree);
    await truncate(join(endless, MANIFEST_PATH), 2 ** 40);
    let read = 0;
    const counted: Nfs3Layer = (lower) => ({
      ...lower,
      read(args, ctx) {
        read += args.count;
        return lower.read(args, ctx);
      },
    });
    const liar = await bench.serve(endless, '/', counted);
    const proxy = await startProxy({ locator: locate([liar, await bench.serve(tree)]) });
    assert.match(
      proxy.notices.join(),
      new RegExp(`^${serverAddress(liar)} is not trusted: .* bytes`),
    );
    assert.equal(read, 0);
  });

  it('refuses to go on over another image under the same version', async () => {
    const proxy = await startProxy({ locator: locate([await bench.serve(tree)]) });
    await proxy.close();
    const other = await bench.copyOf(tree);
    await writeFile(join(other, 'read'), 'of another image');
    published = await describeTree(other);
    await assert.rejects(startProxy({ locator: locate([await bench.serve(other)]) }), {
      code: 'SHADOW_VERSION_MISMATCH',
    });
  });

  it('after a crash serves what was read before, and all metadata, without any server', async () => {
    const server = await bench.serve(tree);
    const crashed = await bench.proxyProcess({
      stateDirectory,
      version: '1',
      ...published,
      servers: [server],
    });
    const before = await clientOf(crashed);
    assert.equal((await before.read('read')).toString(), 'read of the image');
    const seen = await before.attributes('unread');
    await stored('read');
    await crashed.kill();
    await server.stop();

    const proxy = await startProxy({
      locator: {
        locate: async () => {
          throw new Error('the registry is gone too');
        },
      },
    });
    assert.equal((await proxy.status()).resumed, true);
    const client = await clientOf(proxy);
    assert.equal((await client.read('read')).toString(), 'read of the image');
    assert.deepEqual(await client.attributes('unread'), seen);
    assert.equal(await statusOfRead(client, 'unread'), Nfsstat3.JUKEBOX);
    await client.write('read', 0, 'READ');
    assert.equal((await client.read('read')).toString(), 'READ of the image');
    await server.start();
    assert.equal((await client.read('unread')).toString(), 'unread of the image');
  });

  it('is here for another machine, too', async () => {
    const cacheDirectory = await bench.directory();
    const server = await bench.serve(tree);
    const locator = locate([server]);
    const first = await startProxy({ locator, cacheDirectory });
    assert.equal((await (await clientOf(first)).read('read')).toString(), 'read of the image');
    await first.close();
    await server.stop();
    const elsewhere = await bench.directory();
    const second = await startProxy({ locator, cacheDirectory, stateDirectory: elsewhere });
    assert.equal((await (await clientOf(second)).read('read')).toString(), 'read of the image');
    assert.deepEqual(
      (await second.status()).servers.map(({ state }) => state),
      ['idle'],
    );
  });

  it('keeps its manifest with the shadow, whatever becomes of the cache', async () => {
    const server = await bench.serve(tree);
    const first = await startProxy({ locator: locate([server]) });
    await first.close();
    await server.stop();
    await rm(join(stateDirectory, 'cache'), { recursive: true });
    const second = await startProxy({ locator: locate([server]) });
    assert.deepEqual(await (await clientOf(second)).names(''), ['read', 'unread']);
    await second.close();
    const kept = join(stateDirectory, 'shadows', '1', 'manifest');
    await cp(join(tree, 'read'), kept);
    await server.start();
    const third = await startProxy({ locator: locate([server]) });
    assert.deepEqual(await (await clientOf(third)).names(''), ['read', 'unread']);
  });
});
