/** What people and the world get wrong: each ends in one line that says what was wrong, and no harm. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { connectNfs3, type Nfs3Context, Nfsstat3, StableHow, UNCHANGED, walk } from '@rowfs/nfs3';
import {
  askRowfs,
  type ReadyProxy,
  type RowfsOptions,
  runRowfs,
  startRowfs,
  stateOf,
} from '../support/rowfs.ts';
import { type TestScope, testScope } from '../support/test-scope.ts';

const ctx: Nfs3Context = {
  credential: { flavor: 'sys', stamp: 0, machinename: 'test', uid: 0, gid: 0, gids: [] },
  signal: new AbortController().signal,
  peer: { address: '127.0.0.1', port: 0 },
};
const MEBIBYTE = 2 ** 20;

/** The command must fail with this code, in one line of JSON, without a stack. */
async function refusal(
  args: readonly string[],
  options: RowfsOptions,
): Promise<{ code: string; message: string }> {
  const quiet = [...args, '--json', '--log-level', 'silent'];
  const { status, stdout, stderr } = await runRowfs(quiet, options);
  assert.equal(status, 1, `${stdout}${stderr}`);
  assert.equal(stdout, '');
  assert.ok(!stderr.includes('\n'), `one line: ${stderr}`);
  const { error } = JSON.parse(stderr) as { error: { code: string; message: string } };
  // The same for people: the message, and nothing of JSON.
  const plain = await runRowfs([...args, '--log-level', 'silent'], options);
  assert.equal(plain.status, 1);
  assert.match(plain.stderr, /^rowfs: [^\n]+$/);
  return error;
}

async function serveImage(scope: TestScope, name = 'image'): Promise<{ port: number }> {
  const { directory } = scope;
  const image = join(directory, name);
  await mkdir(image);
  await writeFile(join(image, 'file'), `this is ${name}\n`);
  const server = scope.own(
    await startRowfs<{ port: number }>(['serve', image, '--listen', '127.0.0.1:0'], {
      directory,
      owner: name,
    }),
  );
  return server.ready;
}

async function startNode(scope: TestScope): Promise<readonly string[]> {
  const { directory } = scope;
  const node = scope.own(
    await startRowfs<{ addresses: string[] }>(
      ['node', '--alone', '--listen', '/ip4/127.0.0.1/tcp/0', '--rest', '127.0.0.1:0'],
      { directory, owner: 'node' },
    ),
  );
  return node.ready.addresses;
}

const proxyBefore = (server: string, listen = '127.0.0.1:0'): string[] => [
  'proxy',
  '--server',
  server,
  '--listen',
  listen,
  '--rest',
  '127.0.0.1:0',
];

async function silentServer(t: TestContext): Promise<number> {
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

describe('bad input', () => {
  it('a missing export', async (t) => {
    const scope = await testScope(t);
    const { port } = await serveImage(scope);
    const owner = { directory: scope.directory, owner: 'machine' };
    const { code, message } = await refusal(proxyBefore(`127.0.0.1:${port}:/nope`), owner);
    assert.equal(code, 'EXPORT_NOT_FOUND');
    assert.match(message, /\/nope/);
  });

  it('a server that accepts and says nothing', async (t) => {
    const scope = await testScope(t);
    const port = await silentServer(t);
    const owner = { directory: scope.directory, owner: 'machine' };
    const { code, message } = await refusal(proxyBefore(`127.0.0.1:${port}:/`), owner);
    assert.equal(code, 'NO_SERVER_REACHABLE');
    assert.match(message, new RegExp(`127\\.0\\.0\\.1:${port}`));
  });

  it('a port in use', async (t) => {
    const scope = await testScope(t);
    const { port } = await serveImage(scope);
    const taken = await silentServer(t);
    const owner = { directory: scope.directory, owner: 'machine' };
    const listen = `127.0.0.1:${taken}`;
    const { code, message } = await refusal(proxyBefore(`127.0.0.1:${port}:/`, listen), owner);
    assert.equal(code, 'PORT_IN_USE');
    assert.match(message, new RegExp(String(taken)));
    const serve = ['serve', scope.directory, '--listen', listen];
    assert.equal((await refusal(serve, owner)).code, 'PORT_IN_USE');
  });

  it('a shadow that another proxy has', async (t) => {
    const scope = await testScope(t);
    const { port } = await serveImage(scope);
    const owner = { directory: scope.directory, owner: 'machine' };
    const args = proxyBefore(`127.0.0.1:${port}:/`);
    const first = scope.own(await startRowfs<ReadyProxy>(args, owner));
    const { message } = await refusal(args, owner);
    assert.match(message, new RegExp(`\\b${first.process.pid}\\b`), 'names the first one');
    await first.stop();
  });

  it('a key that others may read', async (t) => {
    const { directory } = await testScope(t);
    const owner = { directory, owner: 'publisher' };
    const { file } = await askRowfs<{ file: string }>(['key'], owner);
    await chmod(file, 0o644);
    const { code, message } = await refusal(['key'], owner);
    assert.equal(code, 'KEY_PERMISSIONS');
    assert.match(message, /chmod 600/);
    await chmod(file, 0o600);
    await writeFile(file, 'not a key');
    assert.equal((await refusal(['key'], owner)).code, 'KEY_UNREADABLE');
    assert.equal(await readFile(file, 'utf8'), 'not a key', 'a broken key is not replaced');
  });

  it('an appliance that nobody published', async (t) => {
    const scope = await testScope(t);
    const registry = await startNode(scope);
    const owner = { directory: scope.directory, owner: 'machine', registry };
    const { id } = await askRowfs<{ id: string }>(['key', '--name', 'ghost'], owner);
    assert.equal((await refusal(['resolve', id], owner)).code, 'APPLIANCE_NOT_FOUND');
    assert.equal((await refusal(['ls', 'ghost'], owner)).code, 'APPLIANCE_NOT_FOUND');
    const { message } = await refusal(['proxy', id, '--listen', '127.0.0.1:0'], owner);
    assert.match(message, /ghost/);
    assert.equal((await refusal(['resolve', 'x@nobody'], owner)).code, 'UNKNOWN_PUBLISHER');
    assert.equal(
      (await refusal(['resolve', `x y${id.slice(id.indexOf('@'))}`], owner)).code,
      'INVALID_APPLIANCE_ID',
    );
  });

  it('no registry within reach', async (t) => {
    const { directory } = await testScope(t);
    const owner = { directory, owner: 'machine' };
    await askRowfs(['key'], owner);
    for (const command of ['resolve', 'ls', 'sharers', 'gc']) {
      const { code, message } = await refusal([command, 'debian'], owner);
      assert.equal(code, 'REGISTRY_UNREACHABLE', command);
      assert.match(message, /\/ip4\/127\.0\.0\.1\/tcp\/1/, command);
    }
  });

  it('a publish from servers that are dead, silent, or differ', async (t) => {
    const scope = await testScope(t);
    const registry = await startNode(scope);
    const [a, b] = [await serveImage(scope, 'one'), await serveImage(scope, 'another')];
    const silent = await silentServer(t);
    const owner = { directory: scope.directory, owner: 'publisher', registry };
    const publish = (...ports: number[]): string[] => [
      'publish',
      'debian',
      '--no-manifest',
      '--version',
      'v1',
      ...ports.flatMap((port) => ['--server', `127.0.0.1:${port}:/`]),
    ];
    assert.equal((await refusal(publish(1), owner)).code, 'SERVER_UNUSABLE');
    assert.equal((await refusal(publish(silent), owner)).code, 'SERVER_UNUSABLE');
    const { code, message } = await refusal(publish(a.port, b.port), owner);
    assert.equal(code, 'DIFFERENT_TREES');
    assert.match(message, /\/file is/);
    const { id } = await askRowfs<{ id: string }>(['key', '--name', 'debian'], owner);
    assert.equal((await refusal(['resolve', id], owner)).code, 'APPLIANCE_NOT_FOUND');
  });

  it(
    'a full shadow disk',
    { skip: process.getuid?.() === 0 ? false : 'needs root to mount a small tmpfs: run with sudo' },
    async (t) => {
      const scope = await testScope(t);
      const { port } = await serveImage(scope);
      const owner = { directory: scope.directory, owner: 'machine' };
      await mkdir(stateOf(owner));
      await promisify(execFile)('mount', [
        '-t',
        'tmpfs',
        '-o',
        'size=12m',
        'tmpfs',
        stateOf(owner),
      ]);
      scope.own({
        close: async () => {
          await promisify(execFile)('umount', ['-l', stateOf(owner)]);
        },
      });
      const proxy = scope.own(
        await startRowfs<ReadyProxy>(proxyBefore(`127.0.0.1:${port}:/`), owner),
      );
      const service = scope.own(connectNfs3(proxy.ready));
      const mounted = await service.mount('/', ctx);
      assert.equal(mounted.status, 0);
      const dir = mounted.handle;

      const put = async (name: string, bytes: number): Promise<number> => {
        const how = { mode: 'unchecked', objAttributes: { ...UNCHANGED, mode: 0o644 } } as const;
        const created = await service.create({ where: { dir, name }, how }, ctx);
        if (created.status !== Nfsstat3.OK || created.obj === undefined) return created.status;
        for (let offset = 0; offset < bytes; offset += MEBIBYTE) {
          const written = await service.write(
            {
              file: created.obj,
              offset,
              count: MEBIBYTE,
              stable: StableHow.FILE_SYNC,
              data: [new Uint8Array(MEBIBYTE).fill(1)],
            },
            ctx,
          );
          if (written.status !== Nfsstat3.OK) return written.status;
        }
        return Nfsstat3.OK;
      };
      assert.equal(await put('before', MEBIBYTE), Nfsstat3.OK);
      assert.equal(await put('too much', 64 * MEBIBYTE), Nfsstat3.NOSPC);

      const before = await walk(service, dir, ['before'], ctx);
      assert.equal(before.status, Nfsstat3.OK);
      const kept = await service.read({ file: before.object, offset: 0, count: MEBIBYTE }, ctx);
      assert.ok(
        kept.status === Nfsstat3.OK && kept.count === MEBIBYTE,
        'what was there is unharmed',
      );
      const image = await walk(service, dir, ['file'], ctx);
      assert.equal(image.status, Nfsstat3.OK, 'and so is the image');

      const removed = await service.remove({ object: { dir, name: 'too much' } }, ctx);
      assert.equal(removed.status, Nfsstat3.OK, 'space can be made');
      assert.equal(await put('after', MEBIBYTE), Nfsstat3.OK, 'and used again');
      await proxy.stop();
    },
  );
});
