import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { connectNfs3 } from '@rowfs/nfs3';
import { changesOf } from '../inspect/changes.ts';
import { openMergedTree } from '../inspect/merged-tree.ts';
import { readShadow } from '../inspect/read-shadow.ts';
import { staticLocator } from '../locator.ts';
import { createProxy } from '../proxy.ts';
import { TestBench, type TestServer } from '../test-support/image-servers.ts';
import { PathClient } from '../test-support/path-client.ts';
import { applyLayer } from '../test-support/apply-layer.ts';
import { linesOfClient } from '../test-support/tree-lines.ts';
import { exportLayer } from './export-layer.ts';

const LONG = 'n'.repeat(200);

let bench: TestBench;
let image: string;
let server: TestServer;
beforeEach(async () => {
  bench = new TestBench();
  image = await bench.directory();
  await mkdir(join(image, 'dir/sub/deep'), { recursive: true });
  await mkdir(join(image, 'tree/inside'), { recursive: true });
  await writeFile(join(image, 'big'), Buffer.alloc(3_000_000, 7));
  for (const name of [
    'file',
    'other',
    'dir/one',
    'dir/sub/deep/two',
    'tree/inside/three',
    'tree/x',
  ])
    await writeFile(join(image, name), name.repeat(100));
  await link(join(image, 'other'), join(image, 'dir/sub/other-too'));
  await link(join(image, 'file'), join(image, 'tree/inside/file-too'));
  await symlink('file', join(image, 'symlink'));
  server = await bench.serve(image);
});
afterEach(() => bench.close());

/** A machine that a client changed. */
async function machine(change: (client: PathClient) => Promise<void>): Promise<{
  readonly directory: string;
  /** What a client sees; it looks at everything. */
  readonly seen: () => Promise<readonly string[]>;
}> {
  const stateDirectory = await bench.directory();
  const run = async <T>(use: (client: PathClient) => Promise<T>): Promise<T> => {
    const proxy = await createProxy({ stateDirectory, locator: staticLocator([server]) });
    const service = connectNfs3(proxy.address);
    const result = await use(await PathClient.mount(service));
    await service.close();
    await proxy.close();
    return result;
  };
  await run(change);
  return { directory: join(stateDirectory, 'shadows/default'), seen: () => run(linesOfClient) };
}

async function exported(directory: string): Promise<{ tar: string; skipped: string[] }> {
  const changes = await readShadow(directory, (scan) => changesOf(scan, { directoryTimes: true }));
  const tree = await openMergedTree({
    directory,
    belongsTo: {},
    servers: [server],
    cacheDirectory: join(directory, '../cache'),
  });
  const tar = join(await bench.directory(), 'layer.tar');
  const skipped: string[] = [];
  const layer = exportLayer(tree, changes, { onSkipped: (path) => skipped.push(path) });
  await pipeline(layer, createWriteStream(tar));
  await tree.close();
  return { tar, skipped };
}

const applied = (tar: string): Promise<string[]> => applyLayer(bench, image, tar);

const asRoot = { skip: process.getuid?.() === 0 ? false : 'needs root to give files away' };

describe('exportLayer', asRoot, () => {
  it('is nothing for a machine that only read', async () => {
    const { directory, seen } = await machine(async () => undefined);
    const { tar } = await exported(directory);
    assert.equal(execFileSync('tar', ['-tf', tar], { encoding: 'latin1' }), '');
    assert.deepEqual(await applied(tar), await seen());
  });

  it('has contents, attributes and names of every kind', async () => {
    const { directory, seen } = await machine(async (client) => {
      await client.write('big', 1_000_000, 'changed');
      await client.write('big', 4_000_000, 'far beyond the end');
      await client.setattr('dir/one', { mode: 0o4711, uid: 3_000_000, gid: 4_000_000_000 });
      await client.setattr('file', { mtime: { seconds: 1_234_567_890, nseconds: 123_456_789 } });
      await client.setattr('symlink', { uid: 12 });
      await client.mkdir('born');
      await client.create(`born/${LONG}`, 'long');
      await client.create(`born/\xe9t\xe9`, 'bytes');
      await client.create(`born/${'\xff'.repeat(150)}`, 'many bytes');
      await client.create('born/empty');
      await client.setattr('born/empty', { mode: 0 });
      await client.symlink('born/link', `../${LONG}`);
      await client.mknod('born/fifo', 'FIFO');
      await client.link(`born/${LONG}`, 'dir/linked');
      await client.setattr('born', { mtime: { seconds: 5, nseconds: 6 } });
    });
    const { tar, skipped } = await exported(directory);
    assert.deepEqual(skipped, []);
    assert.deepEqual(await applied(tar), await seen());
  });

  it('has removals, replacements and renames, of directories with all that is in them', async () => {
    const { directory, seen } = await machine(async (client) => {
      await client.rename('dir/sub', 'tree/moved');
      await client.write('tree/moved/deep/two', 3, 'changed');
      await client.remove('tree/moved/other-too');
      await client.create('dir/sub', 'a file where a directory was');
      await client.remove('big');
      await client.mkdir('big');
      await client.create('big/file', 'in a directory where a file was');
      await client.rename('file', 'swap');
      await client.rename('other', 'file');
      await client.rename('swap', 'other');
      await client.remove('tree/inside/three');
      await client.remove('tree/inside/file-too');
      await client.rmdir('tree/inside');
      await client.mkdir('tree/inside');
      await client.create('tree/inside/new', 'in a directory in place of another');
    });
    const { tar } = await exported(directory);
    assert.deepEqual(await applied(tar), await seen());
  });

  it('keeps a file of several names one file, also under names that nobody looked up', async () => {
    const { directory, seen } = await machine(async (client) => {
      await client.write('other', 0, 'changed');
      await client.link('file', 'third');
    });
    const { tar } = await exported(directory);
    assert.deepEqual(await applied(tar), await seen());
  });

  it('leaves out sockets, and says so', async () => {
    const { directory } = await machine((client) => client.mknod('socket', 'SOCK'));
    const { tar, skipped } = await exported(directory);
    assert.deepEqual(skipped, ['/socket']);
    assert.equal(execFileSync('tar', ['-tf', tar], { encoding: 'latin1' }), './\n');
  });
});
