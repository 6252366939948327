import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  connectNfs3,
  type Filehandle,
  Mountstat3,
  type Nfs3Service,
  Nfsstat3,
  StableHow,
  UNCHANGED,
} from '@rowfs/nfs3';
import { type Location, type Locator, staticLocator } from './locator.ts';
import { ProxyError } from './proxy-error.ts';
import { createProxy, type Proxy, type ProxyOptions } from './proxy.ts';
import { TestBench, testContext as ctx } from './test-support/image-servers.ts';

let bench: TestBench;
let stateDirectory: string;
beforeEach(async () => {
  bench = new TestBench();
  stateDirectory = join(await bench.directory(), 'state');
});
afterEach(() => bench.close());

const failover = { patienceMs: 200, mountMs: 1_000, probeMs: { first: 20, last: 100 } };

async function startProxy(options: Partial<ProxyOptions> & { locator: Locator }): Promise<Proxy> {
  const proxy = await createProxy({ stateDirectory, failover, ...options });
  bench.onClose(() => proxy.close());
  return proxy;
}

/** A client of its own, over TCP as every other. */
function clientOf(proxy: Pick<Proxy, 'address'>): Nfs3Service {
  const client = connectNfs3(proxy.address);
  bench.onClose(() => client.close());
  return client;
}

async function rootOf(client: Nfs3Service): Promise<Filehandle> {
  const mounted = await client.mount('/', ctx);
  assert.ok(mounted.status === Mountstat3.OK, `status ${mounted.status}`);
  return mounted.handle;
}

async function lookUp(client: Nfs3Service, name: string): Promise<Filehandle | undefined> {
  const found = await client.lookup({ what: { dir: await rootOf(client), name } }, ctx);
  return found.status === Nfsstat3.OK ? found.object : undefined;
}

async function readText(client: Nfs3Service, name: string): Promise<string | undefined> {
  const file = await lookUp(client, name);
  if (file === undefined) return undefined;
  const result = await client.read({ file, offset: 0, count: 1_000 }, ctx);
  assert.ok(result.status === Nfsstat3.OK, `status ${result.status}`);
  return Buffer.concat(result.data).toString();
}

async function writeText(client: Nfs3Service, name: string, text: string): Promise<void> {
  const where = { dir: await rootOf(client), name };
  const how = { mode: 'unchecked' as const, objAttributes: { ...UNCHANGED, mode: 0o644 } };
  const created = await client.create({ where, how }, ctx);
  assert.ok(created.status === Nfsstat3.OK && created.obj !== undefined);
  const data = [Buffer.from(text)];
  const args = { file: created.obj, offset: 0, count: text.length, stable: StableHow.FILE_SYNC };
  const written = await client.write({ ...args, data }, ctx);
  assert.equal(written.status, Nfsstat3.OK);
}

async function image(text: string): Promise<string> {
  const directory = await bench.directory();
  await writeFile(join(directory, 'file'), text);
  return directory;
}

/** Names the newest of its versions, or the one asked for, until it is out. */
function versions(known: Record<string, Location['servers']>): Locator & { isOut: boolean } {
  return {
    isOut: false,
    async locate({ version = Object.keys(known).at(-1) }) {
      if (this.isOut) throw new Error('registry unreachable');
      const servers = known[version ?? ''];
      if (version === undefined || servers === undefined) throw new Error('no such version');
      return { appliance: 'app', version, servers };
    },
  };
}

describe('createProxy', () => {
  it('serves an image, keeps changes in the shadow, and leaves the source alone', async () => {
    const source = await image('image');
    const proxy = await startProxy({ locator: staticLocator([await bench.serve(source)]) });
    const client = clientOf(proxy);
    assert.equal(await readText(client, 'file'), 'image');
    await writeText(client, 'file', 'IM');
    await writeText(client, 'new', 'born here');
    assert.equal(await readText(client, 'file'), 'IMage');
    assert.equal(await readText(client, 'new'), 'born here');
    assert.equal(await readFile(join(source, 'file'), 'utf8'), 'image');
    const status = await proxy.status();
    assert.ok(status.calls.up.write.calls === 2 && status.calls.down.write.calls === 0);
    assert.equal(status.shadow.bytesRedirected, 11);
    const rendered = JSON.parse(JSON.stringify(status)) as typeof status;
    assert.deepEqual(rendered.calls, status.calls);
    const { port } = proxy.address;
    assert.equal(
      proxy.mountCommand,
      `mount -t nfs -o vers=3,tcp,nolock,hard,port=${port},mountport=${port} 127.0.0.1:/ /mnt`,
    );
  });

  it('goes on with the same handles and changes after a restart, and another server', async () => {
    const source = await image('image');
    const [a, b] = [await bench.serve(source), await bench.serve(await bench.copyOf(source))];
    const first = await startProxy({ locator: staticLocator([a]) });
    await writeText(clientOf(first), 'new', 'changed');
    const handle = await lookUp(clientOf(first), 'file');
    await first.close();
    await a.stop();
    const second = await startProxy({ locator: staticLocator([a, b]) });
    assert.deepEqual(await lookUp(clientOf(second), 'file'), handle);
    assert.equal(await readText(clientOf(second), 'new'), 'changed');
    assert.equal(await readText(clientOf(second), 'file'), 'image');
  });

  it('does not start what its locator refuses, though it ran it before', async () => {
    const known = { v1: [await bench.serve(await image('one'))] };
    const first = await startProxy({ locator: versions(known) });
    await first.close();
    const code = 'IMAGE_REFUSED';
    const locate = (): Promise<never> => Promise.reject(new ProxyError(code, 'revoked'));
    await assert.rejects(startProxy({ locator: { locate } }), { code });
    const silent = versions(known);
    silent.isOut = true;
    const second = await startProxy({ locator: silent });
    assert.equal((await second.status()).version, 'v1');
  });

  it('takes the newest version after a clean stop, with a shadow of its own, and says so', async () => {
    const known = { v1: [await bench.serve(await image('one'))] };
    const first = await startProxy({ locator: versions(known) });
    await writeText(clientOf(first), 'new', 'over one');
    await first.close();
    const locator = versions({ ...known, v2: [await bench.serve(await image('two'))] });
    const second = await startProxy({ locator });
    assert.equal(await readText(clientOf(second), 'file'), 'two');
    assert.equal(await readText(clientOf(second), 'new'), undefined);
    assert.match(
      second.notices.join(),
      /version v2 of app .* version v1 of app is kept in the shadow v1/,
    );
    await second.close();
    const back = await startProxy({ locator, version: 'v1' });
    assert.equal(await readText(clientOf(back), 'new'), 'over one');
  });

  it('goes on with the version that ran when the last run did not end cleanly', async () => {
    const known = { v1: [await bench.serve(await image('one'))] };
    const killed = await bench.proxyProcess({ stateDirectory, version: 'v1', servers: known.v1 });
    await writeText(clientOf(killed), 'new', 'over one');
    const handle = await lookUp(clientOf(killed), 'file');
    await killed.kill();
    const locator = versions({ ...known, v2: [await bench.serve(await image('two'))] });
    const second = await startProxy({ locator });
    assert.equal((await second.status()).resumed, true);
    assert.deepEqual(await lookUp(clientOf(second), 'file'), handle);
    assert.equal(await readText(clientOf(second), 'new'), 'over one');
    assert.match(second.notices.join(), /did not end cleanly/);
    await second.close();
    const third = await startProxy({ locator });
    assert.equal(await readText(clientOf(third), 'file'), 'two');
  });

  it('keeps the old version, or carries changes over to the new one and names conflicts', async () => {
    const known = { v1: [await bench.serve(await image('one'))] };
    const first = await startProxy({ locator: versions(known) });
    await writeText(clientOf(first), 'new', 'over one');
    await writeText(clientOf(first), 'file', 'changed');
    await first.close();
    const locator = versions({ ...known, v2: [await bench.serve(await image('two'))] });
    const kept = await startProxy({ locator, upgrade: 'keep' });
    assert.equal((await kept.status()).version, 'v1');
    assert.equal(await readText(clientOf(kept), 'file'), 'changed');
    assert.equal(kept.carried, undefined);
    await kept.close();
    const carried = await startProxy({ locator, upgrade: 'carry' });
    assert.equal((await carried.status()).version, 'v2');
    assert.equal(await readText(clientOf(carried), 'new'), 'over one');
    assert.equal(await readText(clientOf(carried), 'file'), 'two');
    const conflict = {
      path: '/file',
      kind: 'changed',
      reason: 'the new version changed /file itself: contents',
    };
    assert.deepEqual(carried.carried, { carried: 1, conflicts: [conflict] });
    assert.match(carried.notices.join(), /stay in the old shadow: \/file/);
    await carried.close();
    const again = await startProxy({ locator, upgrade: 'carry' });
    assert.equal(again.carried, undefined);
    assert.equal(await readText(clientOf(again), 'new'), 'over one');
    await again.close();
    const back = await startProxy({ locator, version: 'v1' });
    assert.equal(await readText(clientOf(back), 'file'), 'changed');
  });

  it('drops an ephemeral shadow at the clean end, and goes on with it after a crash', async () => {
    const servers = [await bench.serve(await image('one'))];
    const locator = versions({ v1: servers });
    const lasting = await startProxy({ locator });
    await writeText(clientOf(lasting), 'new', 'to stay');
    await lasting.close();
    const options = { stateDirectory, version: 'v1', servers, ephemeral: true };
    const killed = await bench.proxyProcess(options);
    assert.equal(await readText(clientOf(killed), 'new'), undefined);
    await writeText(clientOf(killed), 'new', 'to go');
    await killed.kill();
    const resumed = await startProxy({ locator });
    assert.equal(await readText(clientOf(resumed), 'new'), 'to go');
    await resumed.close();
    assert.deepEqual(await readdir(join(stateDirectory, 'shadows')), ['v1']);
    const again = await bench.proxyProcess(options);
    assert.equal(await readText(clientOf(again), 'new'), undefined);
    await again.kill();
    const other = versions({ v1: servers, v2: [await bench.serve(await image('two'))] });
    const upgraded = await startProxy({ locator: other, version: 'v2' });
    assert.equal(await readText(clientOf(upgraded), 'file'), 'two');
    assert.deepEqual((await readdir(join(stateDirectory, 'shadows'))).sort(), ['v1', 'v2']);
    await upgraded.close();
    const first = await startProxy({ locator: other, version: 'v1' });
    assert.equal(await readText(clientOf(first), 'new'), 'to stay');
  });

  it('starts from what it knew when the locator does not answer, and says since when', async () => {
    const locator = versions({ v1: [await bench.serve(await image('one'))] });
    await assert.rejects(
      startProxy({ locator: { locate: () => Promise.reject(new Error('no registry')) } }),
      { code: 'LOCATE_FAILED', message: /no registry/ },
    );
    await (await startProxy({ locator })).close();
    locator.isOut = true;
    const proxy = await startProxy({ locator });
    assert.equal(await readText(clientOf(proxy), 'file'), 'one');
    const { staleSince } = await proxy.status();
    assert.ok(staleSince !== undefined && new Date(staleSince) <= new Date());
    await proxy.close();
    await assert.rejects(startProxy({ locator, version: 'v9' }), { code: 'LOCATE_FAILED' });
  });

  it('holds a lease on the version while it runs', async () => {
    const held: (string | undefined)[] = [];
    const uses = {
      async hold({ version }: Location) {
        held.push(version);
        return { release: async () => void held.pop() };
      },
    };
    const locator = versions({ v1: [await bench.serve(await image('one'))] });
    const proxy = await startProxy({ locator, uses });
    assert.deepEqual(held, ['v1']);
    await proxy.close();
    assert.deepEqual(held, []);
  });

  it('says at its start that there is no space', async () => {
    const locator = staticLocator([await bench.serve(await image('one'))]);
    const { notices } = await startProxy({ locator, space: { quota: 0 } });
    assert.match(notices.join(), /no space is left for .*shadows/);
  });

  it('names what is wrong: no server, no export, a port or a state directory in use', async () => {
    const good = await bench.serve(await image('one'));
    const gone = await bench.serve(await image('one'));
    await gone.stop();
    await assert.rejects(startProxy({ locator: staticLocator([gone]) }), {
      code: 'NO_SERVER_REACHABLE',
      message: new RegExp(`127.0.0.1:${gone.port}:/`),
    });
    await assert.rejects(startProxy({ locator: staticLocator([{ ...good, export: '/no' }]) }), {
      code: 'EXPORT_NOT_FOUND',
    });
    await assert.rejects(startProxy({ locator: staticLocator([]) }), { code: 'NO_SERVERS' });
    const hung = await bench.hungServer();
    const locator = staticLocator([good]);
    await assert.rejects(startProxy({ locator, listen: { port: hung.port ?? 0 } }), {
      code: 'PORT_IN_USE',
      message: new RegExp(`port ${hung.port} of 127.0.0.1`),
    });
    await mkdir(join(stateDirectory, 'dir'), { recursive: true });
    await writeFile(join(stateDirectory, 'a-file'), '');
    await assert.rejects(
      startProxy({ locator, stateDirectory: join(stateDirectory, 'a-file/below') }),
      { code: 'STATE_UNUSABLE' },
    );
    await startProxy({ locator });
    await assert.rejects(startProxy({ locator }), { code: 'SHADOW_IN_USE' });
  });
});
