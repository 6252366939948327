import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { buildImage, MANIFEST_PATH, saveImageInTree } from '@rowfs/image';
import { connectNfs3, Nfsstat3 } from '@rowfs/nfs3';
import { pino } from 'pino';
import { createProxy, type Proxy, type ProxyOptions } from '../proxy.ts';
import { changedReads } from '../test-support/dishonest-layers.ts';
import { TestBench, type TestServer } from '../test-support/image-servers.ts';
import { PathClient } from '../test-support/path-client.ts';
import { SharedLowers } from './shared-lowers.ts';

const MACHINES = 8;
const FILES = 24;
const FILE_BYTES = 200_000;

const logger = pino({ level: 'silent' });

let bench: TestBench;
let tree: string;
let digest: string;
let server: TestServer;
let state: string;
let lowers: SharedLowers;
/** Of the files' contents, over the link. */
let bytesServed: number;

beforeEach(async () => {
  bench = new TestBench();
  state = await bench.directory();
  tree = await bench.directory();
  for (let file = 0; file < FILES; file += 1)
    await writeFile(join(tree, `file-${file}`), randomBytes(FILE_BYTES));
  const built = await buildImage(tree);
  await saveImageInTree(tree, built);
  digest = built.image.digest.toString('hex');
  const manifestBytes = (await readFile(join(tree, MANIFEST_PATH))).length;
  bytesServed = -manifestBytes;
  const counted = changedReads(async (args, honest) => {
    const result = await honest(args);
    if (result.status === Nfsstat3.OK) bytesServed += result.count;
    return result;
  });
  server = await bench.serve(tree, '/', counted);
  lowers = new SharedLowers({ logger });
});
afterEach(() => bench.close());

async function startMachine(name: string, options: Partial<ProxyOptions> = {}): Promise<Proxy> {
  const proxy = await createProxy({
    locator: {
      locate: async () => ({ appliance: 'app', version: '1', digest, servers: [server] }),
    },
    stateDirectory: join(state, name),
    cacheDirectory: join(state, 'cache'),
    lowers,
    ...options,
  });
  bench.onClose(() => proxy.close());
  return proxy;
}

function startRack(): Promise<Proxy[]> {
  return Promise.all(Array.from({ length: MACHINES }, (_, index) => startMachine(`m${index}`)));
}

async function clientOf({ address }: Proxy): Promise<PathClient> {
  const service = connectNfs3(address);
  bench.onClose(() => service.close());
  return PathClient.mount(service);
}

async function readAll(client: PathClient): Promise<void> {
  for (let file = 0; file < FILES; file += 1) {
    const bytes = await client.read(`file-${file}`);
    assert.ok(bytes.equals(await readFile(join(tree, `file-${file}`))));
  }
}

describe('proxies over the same image', () => {
  it('that read it at once fetch each block once', async () => {
    const clients = await Promise.all((await startRack()).map(clientOf));
    await Promise.all(clients.map(readAll));
    assert.equal(bytesServed, FILES * FILE_BYTES);
  });

  it('have their own changes', async () => {
    const [first, second] = await Promise.all((await startRack()).slice(0, 2).map(clientOf));
    await first?.write('file-0', 0, 'of the first');
    await first?.create('new');
    const bytes = await second?.read('file-0');
    assert.ok(bytes?.equals(await readFile(join(tree, 'file-0'))));
    assert.ok(!(await second?.names(''))?.includes('new'));
  });

  it('go on when others end, also that which opened it', async () => {
    const [first, second] = [await startMachine('first'), await startMachine('second')];
    await first.close();
    await readAll(await clientOf(second));
    await second.close();
    await readAll(await clientOf(await startMachine('third')));
    assert.equal(bytesServed, FILES * FILE_BYTES, 'the cache has what the others read');
  });

  it('each keep the manifest with their shadow', async () => {
    const rack = await startRack();
    const manifest = await readFile(join(tree, MANIFEST_PATH));
    for (const proxy of rack) {
      const { shadow } = await proxy.status();
      assert.ok(manifest.equals(await readFile(join(shadow.directory, 'manifest'))));
    }
  });

  it('that could not open it try again', async () => {
    await server.stop();
    await assert.rejects(startMachine('first', { startMs: 200 }), { code: 'NOT_FETCHABLE' });
    await server.start();
    await readAll(await clientOf(await startMachine('second')));
  });
});
