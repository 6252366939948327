import assert from 'node:assert/strict';
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { appendFile, link, mkdir, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fsck } from '../fsck/fsck.ts';
import { changesOf } from '../inspect/changes.ts';
import { openMergedTree } from '../inspect/merged-tree.ts';
import { readShadow } from '../inspect/read-shadow.ts';
import { TestBench, type TestServer } from '../test-support/image-servers.ts';
import { PathClient } from '../test-support/path-client.ts';
import { type CarryOptions, type CarryReport, carryOver } from './carry-over.ts';

let bench: TestBench;
let oldImage: string;
let newImage: string;
let shadows: string;
beforeEach(async () => {
  bench = new TestBench();
  oldImage = await bench.directory();
  await mkdir(join(oldImage, 'dir/sub/deep'), { recursive: true });
  await mkdir(join(oldImage, 'gone/inside'), { recursive: true });
  await writeFile(join(oldImage, 'big'), Buffer.alloc(300_000, 7));
  for (const name of [
    'file',
    'other',
    'third',
    'x',
    'y',
    'dir/one',
    'dir/sub/deep/two',
    'gone/inside/three',
  ])
    await writeFile(join(oldImage, name), `${name} in the image`);
  await link(join(oldImage, 'other'), join(oldImage, 'dir/other-too'));
  await symlink('file', join(oldImage, 'symlink'));
  newImage = await bench.directory();
  execFileSync('cp', ['-a', `${oldImage}/.`, newImage]);
  // Built again: nothing has its old mtime.
  for (const name of await readdir(newImage)) await utimes(join(newImage, name), 1e9, 1e9);
  await writeFile(join(newImage, 'new-in-2'), 'new in 2');
  shadows = await bench.directory();
});
afterEach(() => bench.close());

const belongsTo = (version: string): { appliance: string; version: string } => ({
  appliance: 'app',
  version,
});

/** Makes changes over the old image, and gives what carries them over. */
async function machine(change: (client: PathClient) => Promise<void>): Promise<CarryOptions> {
  const from = join(shadows, '1');
  const oldServers = [await bench.serve(oldImage)];
  const tree = await openMergedTree({
    directory: from,
    belongsTo: belongsTo('1'),
    servers: oldServers,
    cacheDirectory: join(from, '../../cache'),
  });
  await change(await PathClient.mount(tree.service));
  await tree.close();
  const newServers = [await bench.serve(newImage)];
  return {
    from,
    to: join(shadows, '2'),
    belongsTo: belongsTo('2'),
    oldServers,
    newServers,
    cacheDirectory: join(from, '../../cache'),
  };
}

/** Carries over, and looks at the new tree. */
async function carried(
  options: CarryOptions,
  look: (client: PathClient) => Promise<void>,
): Promise<CarryReport> {
  const before = fingerprint(options.from);
  const report = await carryOver(options);
  assert.equal(fingerprint(options.from), before, 'the old shadow is as it was');
  assert.deepEqual((await readdir(shadows)).sort(), ['1', '2']);
  assert.deepEqual(await fsck(options.to), []);
  const { to: directory, newServers: servers } = options;
  const tree = await openMergedTree({
    directory,
    belongsTo: belongsTo('2'),
    servers,
    cacheDirectory: options.cacheDirectory,
  });
  await look(await PathClient.mount(tree.service));
  await tree.close();
  return report;
}

/** Of every name and byte of a shadow. */
function fingerprint(directory: string): string {
  return execFileSync('sh', [
    '-c',
    `cd "$1" && find . -type f ! -name lock.mdb ! -path ./lock -exec sha256sum {} + | sort`,
    'sh',
    directory,
  ]).toString();
}

async function text(client: PathClient, path: string): Promise<string> {
  return (await client.read(path)).toString();
}

const conflictsOf = ({ conflicts }: CarryReport): string[] =>
  conflicts.map(({ path, kind, reason }) => `${kind} ${path}: ${reason}`);

describe('carryOver', () => {
  it('carries contents by blocks, attributes, and what was born here', async () => {
    const options = await machine(async (client) => {
      await client.write('big', 5000, 'changed');
      await client.write('big', 400_000, 'beyond the end');
      await client.setattr('third', { size: 5 });
      await client.setattr('third', { size: 8 });
      await client.setattr('file', { mode: 0o600, uid: 5, mtime: { seconds: 11, nseconds: 12 } });
      await client.setattr('dir', { mode: 0o711 });
      await client.mkdir('born');
      await client.create('born/file', 'text');
      await client.link('born/file', 'born/again');
      await client.symlink('born/symlink', 'to');
      await client.mknod('born/fifo', 'FIFO');
      await client.create('dir/sub/new', 'new');
      await client.setattr('born', { mtime: { seconds: 21, nseconds: 22 } });
    });
    const report = await carried(options, async (client) => {
      const expected = Buffer.alloc(400_014);
      expected.fill(7, 0, 300_000).write('changed', 5000);
      expected.write('beyond the end', 400_000);
      assert.ok((await client.read('big')).equals(expected));
      assert.equal(await text(client, 'third'), 'third\0\0\0');
      const { mode, uid, gid, mtime } = await client.attributes('file');
      assert.deepEqual(
        { mode, uid, gid, mtime },
        {
          mode: 0o600,
          uid: 5,
          gid: process.getgid?.() ?? 0,
          mtime: { seconds: 11, nseconds: 12 },
        },
      );
      assert.equal((await client.attributes('dir')).mode, 0o711);
      assert.equal(await text(client, 'born/again'), 'text');
      assert.equal((await client.attributes('born/file')).nlink, 2);
      assert.deepEqual((await client.attributes('born')).mtime, { seconds: 21, nseconds: 22 });
      assert.equal(await text(client, 'dir/sub/new'), 'new');
      assert.equal(await text(client, 'new-in-2'), 'new in 2');
    });
    assert.deepEqual(report.conflicts, []);
    assert.equal(report.carried, 10);
    const changes = await readShadow(options.to, (scan) => changesOf(scan));
    const big = changes.find(({ path }) => path === '/big');
    assert.equal(big?.contents?.blocks, 2, 'what was not changed here still is the image');
  });

  it('carries removals, renames of directories, swaps, links and replacements', async () => {
    await writeFile(join(newImage, 'dir/sub/deep/two'), 'two, changed in version 2');
    await writeFile(join(newImage, 'dir/sub/deep/four'), 'four, new in version 2');
    const options = await machine(async (client) => {
      await client.remove('gone/inside/three');
      await client.rmdir('gone/inside');
      await client.rmdir('gone');
      await client.mkdir('made');
      await client.rename('dir/sub', 'made/moved');
      await client.create('made/moved/deep/born', 'born');
      await client.rename('x', 'tmp');
      await client.rename('y', 'x');
      await client.rename('tmp', 'y');
      await client.link('other', 'linked');
      await client.remove('dir/other-too');
      await client.remove('third');
      await client.mkdir('third');
      await client.create('third/inside', 'in a directory where a file was');
    });
    const report = await carried(options, async (client) => {
      assert.deepEqual(await client.names(''), [
        ...['big', 'dir', 'file', 'linked', 'made', 'new-in-2', 'other', 'symlink'],
        ...['third', 'x', 'y'],
      ]);
      assert.equal(await text(client, 'x'), 'y in the image');
      assert.equal(await text(client, 'y'), 'x in the image');
      assert.equal(await text(client, 'made/moved/deep/two'), 'two, changed in version 2');
      assert.equal(await text(client, 'made/moved/deep/four'), 'four, new in version 2');
      assert.equal(await text(client, 'made/moved/deep/born'), 'born');
      assert.deepEqual(await client.names('dir'), ['one']);
      assert.equal((await client.attributes('linked')).nlink, 2);
      assert.equal(
        (await client.attributes('linked')).fileid,
        (await client.attributes('other')).fileid,
      );
      assert.equal(await text(client, 'third/inside'), 'in a directory where a file was');
    });
    assert.deepEqual(report.conflicts, []);
  });

  it('names what the new version changed itself, and leaves that as it is there', async () => {
    await appendFile(join(newImage, 'big'), 'more');
    await rm(join(newImage, 'third'));
    await writeFile(join(newImage, 'born'), 'born in version 2 too');
    await writeFile(join(newImage, 'gone/inside/three'), 'of another length');
    await rm(join(newImage, 'dir/sub'), { recursive: true });
    await rm(join(newImage, 'dir/other-too'));
    const options = await machine(async (client) => {
      await client.write('big', 0, 'changed');
      await client.setattr('third', { mode: 0o700 });
      await client.create('born', 'born here');
      await client.remove('gone/inside/three');
      await client.rmdir('gone/inside');
      await client.rmdir('gone');
      await client.create('dir/sub/new', 'in a directory that is no more');
      await client.attributes('dir/other-too');
      await client.write('other', 0, 'changed');
      await client.rename('x', 'born-too');
      await client.remove('y');
    });
    const report = await carried(options, async (client) => {
      assert.equal((await client.attributes('big')).size, 300_004);
      assert.equal(await text(client, 'born'), 'born in version 2 too');
      assert.equal(await text(client, 'gone/inside/three'), 'of another length');
      assert.equal(await text(client, 'other'), 'other in the image');
      assert.equal(await text(client, 'born-too'), 'x in the image');
      assert.ok(!(await client.names('')).includes('y'));
    });
    assert.deepEqual(conflictsOf(report), [
      'changed /big: the new version changed /big itself: contents',
      'added /born: the new version has something else there',
      'changed /dir/other-too: the new version has no /dir/other-too',
      'added /dir/sub/new: there is no directory /dir/sub for it',
      'removed /gone: the new version changed /gone/inside/three',
      'changed /other: the new version has no /dir/other-too',
      'changed /third: the new version has no /third',
    ]);
    assert.equal(report.carried, 2);
  });

  it('reads files that were changed here, whatever size and mtime say', async () => {
    const time = new Date('2026-01-01');
    for (const image of [oldImage, newImage]) {
      await writeFile(join(image, 'big'), image === oldImage ? 'abcdef' : 'ABCDEF');
      await utimes(join(image, 'big'), time, time);
    }
    const options = await machine((client) => client.write('big', 2, '__'));
    const report = await carried(options, async (client) => {
      assert.equal(await text(client, 'big'), 'ABCDEF');
    });
    assert.deepEqual(conflictsOf(report), [
      'changed /big: the new version changed /big itself: contents',
    ]);
  });

  it('puts back what finds no new place', async () => {
    await mkdir(join(newImage, 'taken'));
    await writeFile(join(newImage, 'taken/by'), 'version 2');
    const options = await machine(async (client) => {
      await client.rename('dir', 'taken');
      await client.write('taken/one', 0, 'changed');
    });
    const report = await carried(options, async (client) => {
      assert.deepEqual(await client.names('taken'), ['by']);
      assert.equal(await text(client, 'dir/one'), 'dir/one in the image');
      assert.ok((await client.names('')).every((name) => !name.startsWith('.aside')));
    });
    assert.deepEqual(conflictsOf(report), [
      'renamed /taken: the new version has something else there',
      'changed /taken/one: what it is in was not carried over',
    ]);
  });

  it('is refused while the old shadow is in use', async () => {
    const options = await machine(async () => undefined);
    const { from: directory, oldServers: servers } = options;
    const tree = await openMergedTree({
      directory,
      belongsTo: belongsTo('1'),
      servers,
      cacheDirectory: options.cacheDirectory,
    });
    await assert.rejects(carryOver(options), { code: 'SHADOW_IN_USE' });
    await tree.close();
    assert.ok(!existsSync(options.to));
  });

  it('leaves nothing when a server fails in the middle, or the process is killed, and then works', async () => {
    const options = await machine(async (client) => {
      await client.mkdir('born');
      for (let index = 0; index < 20; index += 1)
        await client.create(`born/${index}`, `text ${index}`);
      await client.write('big', 0, 'changed');
    });
    const before = fingerprint(options.from);
    const [newServer] = options.newServers as TestServer[];
    await newServer?.stop();
    await assert.rejects(carryOver({ ...options, startMs: 300 }), { code: 'NO_SERVER_REACHABLE' });
    assert.deepEqual(await readdir(shadows), ['1']);
    await newServer?.start();

    const script = join(import.meta.dirname, '../test-support/carry-process.ts');
    for (const progress of ['old-records', 'shadow/records', 'shadow/data/05/5']) {
      const child = fork(script, [JSON.stringify(options)], { stdio: 'ignore' });
      const exited = once(child, 'exit');
      while (!existsSync(join(shadows, '.carrying-2', progress)) && child.exitCode === null)
        await new Promise((resolve) => setTimeout(resolve, 1));
      child.kill('SIGKILL');
      await exited;
      assert.ok(!existsSync(options.to), `killed at ${progress}`);
      assert.equal(fingerprint(options.from), before);
    }
    const report = await carried(options, async (client) => {
      assert.equal((await client.names('born')).length, 20);
      assert.equal(await text(client, 'born/19'), 'text 19');
    });
    assert.deepEqual(report, { carried: 22, conflicts: [] });
  });
});
