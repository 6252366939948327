import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { nfsstat3Name } from '../status.ts';
import { ALICE, ctx as alices } from '../test-support/context.ts';
import type { Filehandle } from '../types.ts';
import {
  createLocalDirectory,
  type LocalDirectory,
  type LocalDirectoryOptions,
} from './local-directory.ts';

/** Temporary directories are private: only root may look into one of whoever runs this. */
const ctx = { ...alices, credential: { ...ALICE, uid: 0 } };

describe('handles of a local directory', () => {
  let root: string;
  let service: LocalDirectory;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'rowfs-handles-'));
    await mkdir(join(root, 'a/b/c'), { recursive: true });
    await writeFile(join(root, 'a/b/c/file'), 'content');
    service = await start();
  });

  afterEach(async () => {
    await service.close();
    await rm(root, { recursive: true });
  });

  function start(options: Partial<LocalDirectoryOptions> = {}): Promise<LocalDirectory> {
    return createLocalDirectory({ root, access: 'read-only', ...options });
  }

  async function restart(options: Partial<LocalDirectoryOptions> = {}): Promise<void> {
    await service.close();
    service = await start(options);
  }

  async function walk(path: string): Promise<Filehandle> {
    const mounted = await service.mount('/', ctx);
    assert.ok(mounted.status === 0);
    let { handle } = mounted;
    for (const name of path.split('/')) {
      const found = await service.lookup({ what: { dir: handle, name } }, ctx);
      assert.ok(found.status === 0, `${name}: ${nfsstat3Name(found.status)}`);
      handle = found.object;
    }
    return handle;
  }

  async function content(file: Filehandle): Promise<string> {
    const read = await service.read({ file, offset: 0, count: 100 }, ctx);
    return read.status === 0 ? Buffer.concat(read.data).toString() : nfsstat3Name(read.status);
  }

  it('are found again after a restart, by what they say themselves', async () => {
    const file = await walk('a/b/c/file');
    // Nothing may be searched: the descent must find it.
    await restart({ maxSearched: 0 });
    assert.equal(await content(file), 'content');
  });

  it('are found when a directory above was renamed while the server was down', async () => {
    const file = await walk('a/b/c/file');
    await rename(join(root, 'a/b'), join(root, 'renamed'));
    await restart();
    assert.equal(await content(file), 'content');
    assert.deepEqual(await walk('renamed/c/file'), file);
  });

  it('are STALE when the search is not allowed to go far enough', async () => {
    const file = await walk('a/b/c/file');
    await rename(join(root, 'a/b'), join(root, 'renamed'));
    await restart({ maxSearched: 1 });
    assert.equal(await content(file), 'NFS3ERR_STALE');
  });

  it('go on while the server runs, whatever is renamed', async () => {
    const file = await walk('a/b/c/file');
    assert.equal(await content(file), 'content');
    await rename(join(root, 'a/b'), join(root, 'renamed'));
    assert.equal(await content(file), 'content');
    assert.deepEqual(await walk('renamed/c/file'), file);
  });

  it('outlive the caches: many more inodes than are held or remembered', async () => {
    await restart({ maxPins: 16, maxPlaces: 16, maxOpenFiles: 4 });
    const names = Array.from({ length: 200 }, (_, i) => `n${i}`);
    await Promise.all(names.map((name) => writeFile(join(root, 'a/b', name), name)));
    const files = new Map<string, Filehandle>();
    for (const name of names) files.set(name, await walk(`a/b/${name}`));
    for (const [name, file] of files) assert.equal(await content(file), name);
    const all = await Promise.all([...files].map(async ([, file]) => content(file)));
    assert.deepEqual(all, names);
  });

  it('are STALE for a file that was made anew under the same name', async () => {
    const file = await walk('a/b/c/file');
    assert.equal(await content(file), 'content');
    await rm(join(root, 'a/b/c/file'));
    await writeFile(join(root, 'a/b/c/file'), 'another');
    assert.equal(await content(file), 'NFS3ERR_STALE');
    await restart();
    // The new file may well have been given the inode number of the old one.
    assert.equal(await content(file), 'NFS3ERR_STALE');
  });

  it('lead deeper than there is room for hints', async () => {
    const deep = Array.from({ length: 60 }, (_, i) => `d${i}`).join('/');
    await mkdir(join(root, deep), { recursive: true });
    await writeFile(join(root, deep, 'file'), 'deep');
    const file = await walk(`${deep}/file`);
    assert.equal(file.length, 64);
    await restart({ maxSearched: 0 });
    assert.equal(await content(file), 'deep');
  });

  it('of another export are STALE', async () => {
    const file = await walk('a/b/c/file');
    const other = await createLocalDirectory({ root: join(root, 'a'), access: 'read-only' });
    const { status } = await other.getattr({ object: file }, ctx);
    await other.close();
    assert.equal(nfsstat3Name(status), 'NFS3ERR_STALE');
  });

  it('show what changed on disk meanwhile', async () => {
    const object = await walk('a/b/c/file');
    assert.equal(await content(object), 'content');
    await writeFile(join(root, 'a/b/c/file'), 'longer content');
    await utimes(join(root, 'a/b/c/file'), 1, 2);
    const result = await service.getattr({ object }, ctx);
    assert.ok(result.status === 0);
    assert.deepEqual([result.attributes.size, result.attributes.mtime.seconds], [14, 2]);
    assert.equal(await content(object), 'longer content');
  });

  it('cannot be had for a root that is not there', async () => {
    const missing = createLocalDirectory({ root: join(root, 'missing'), access: 'read-only' });
    await assert.rejects(missing, { code: 'NO_ROOT' });
    const file = createLocalDirectory({ root: join(root, 'a/b/c/file'), access: 'read-only' });
    await assert.rejects(file, { code: 'NO_ROOT' });
  });
});
