/** One shadow, one proxy: the second is refused with the first one's process id. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { createProxy, staticLocator } from '@rowfs/proxy';
import {
  type ReadyProxy,
  type RowfsDaemon,
  type RowfsOptions,
  runRowfs,
  startRowfs,
  stateOf,
} from '../support/rowfs.ts';
import { type TestScope, testScope } from '../support/test-scope.ts';

async function serveImage(scope: TestScope): Promise<number> {
  const image = join(scope.directory, 'image');
  await mkdir(image);
  const server = scope.own(
    await startRowfs<{ port: number }>(['serve', image, '--listen', '127.0.0.1:0'], {
      directory: scope.directory,
      owner: 'server',
    }),
  );
  return server.ready.port;
}

function proxyBefore(port: number): string[] {
  const anyPort = ['--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'];
  return ['proxy', '--server', `127.0.0.1:${port}:/`, ...anyPort];
}

async function startProxy(
  scope: TestScope,
  port: number,
  machine: RowfsOptions,
): Promise<RowfsDaemon<ReadyProxy>> {
  return scope.own(await startRowfs<ReadyProxy>(proxyBefore(port), machine));
}

/** Paths of the files of this name below the machine's state. */
async function filesNamed(machine: RowfsOptions, name: string): Promise<string[]> {
  const entries = await readdir(stateOf(machine), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.name === name)
    .map((entry) => join(entry.parentPath, name));
}

test('a second proxy on one state directory is refused in one line', async (t) => {
  const scope = await testScope(t);
  const port = await serveImage(scope);
  const machine = { directory: scope.directory, owner: 'machine' };
  const first = await startProxy(scope, port, machine);
  const second = await runRowfs(proxyBefore(port), machine);
  assert.notEqual(second.status, 0);
  assert.match(second.stderr, new RegExp(`process ${first.process.pid}\\b`));
  assert.equal(second.stderr.trim().split('\n').length, 1, second.stderr);
  assert.equal(second.stdout, '');

  // Refused, it took nothing away from the first one.
  const third = await runRowfs(proxyBefore(port), machine);
  assert.match(third.stderr, new RegExp(`process ${first.process.pid}\\b`));
  await first.stop();
  await (await startProxy(scope, port, machine)).stop();
});

test('a second proxy on one shadow is refused, whatever else it has of its own', async (t) => {
  const scope = await testScope(t);
  const port = await serveImage(scope);
  const machine = { directory: scope.directory, owner: 'machine' };
  const first = await startProxy(scope, port, machine);
  const [shadowLock = ''] = (await filesNamed(machine, 'lock')).filter((path) =>
    path.includes('/shadows/'),
  );
  const holder = JSON.parse(await readFile(shadowLock, 'utf8')) as { pid: number };
  assert.equal(holder.pid, first.process.pid);

  // Another state directory, whose shadows are these.
  const stateDirectory = join(scope.directory, 'other-state');
  await mkdir(join(stateDirectory, 'default'), { recursive: true });
  await symlink(join(shadowLock, '../..'), join(stateDirectory, 'default', 'shadows'));
  const server = { host: '127.0.0.1', port, export: '/' };
  await assert.rejects(
    createProxy({
      locator: staticLocator([server]),
      stateDirectory: join(stateDirectory, 'default'),
      listen: { host: '127.0.0.1', port: 0 },
    }),
    { code: 'SHADOW_IN_USE', message: new RegExp(`process ${first.process.pid}\\b`) },
  );
  await first.stop();
});

test('the locks of a proxy that was killed are taken over, whoever has its number now', async (t) => {
  const scope = await testScope(t);
  const port = await serveImage(scope);
  const machine = { directory: scope.directory, owner: 'machine' };
  await (await startProxy(scope, port, machine)).close();
  const locks = await filesNamed(machine, 'lock');
  assert.ok(locks.length > 0);
  await (await startProxy(scope, port, machine)).close();

  // The number was given again, to a process that lives: this one.
  for (const lock of await filesNamed(machine, 'lock')) {
    const holder = JSON.parse(await readFile(lock, 'utf8')) as object;
    await writeFile(lock, JSON.stringify({ ...holder, pid: process.pid }));
  }
  await (await startProxy(scope, port, machine)).close();

  // A power cut left it empty, and what is only there for a moment.
  for (const lock of await filesNamed(machine, 'lock')) {
    await writeFile(lock, '');
    await writeFile(`${lock}.4194999`, '');
  }
  await (await startProxy(scope, port, machine)).stop();
  assert.deepEqual(await filesNamed(machine, 'lock.4194999'), []);
});
