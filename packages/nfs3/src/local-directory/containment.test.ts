import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Nfs3Context } from '../service.ts';
import { Nfsstat3, nfsstat3Name } from '../status.ts';
import type { Filehandle } from '../types.ts';
import { createLocalDirectory, type LocalDirectory } from './local-directory.ts';

const ctx: Nfs3Context = {
  credential: { flavor: 'sys', stamp: 0, machinename: 'test', uid: 0, gid: 0, gids: [] },
  signal: new AbortController().signal,
  peer: { address: '127.0.0.1', port: 1 },
};

describe('a local directory keeps callers inside of its root', () => {
  let base: string;
  let service: LocalDirectory;
  let root: Filehandle;

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'rowfs-containment-'));
    await mkdir(join(base, 'root/dir/deep'), { recursive: true });
    await mkdir(join(base, 'outside/deep'), { recursive: true });
    await writeFile(join(base, 'root/dir/deep/file'), 'inside');
    await writeFile(join(base, 'outside/deep/file'), 'secret');
    await symlink('/etc/passwd', join(base, 'root/passwd'));
    await symlink('../outside', join(base, 'root/link'));
    service = await createLocalDirectory({ root: join(base, 'root'), access: 'read-only' });
    const mounted = await service.mount('/', ctx);
    assert.ok(mounted.status === 0);
    root = mounted.handle;
  });

  afterEach(async () => {
    await service.close();
    await rm(base, { recursive: true });
  });

  async function status(dir: Filehandle, name: string): Promise<string> {
    return nfsstat3Name((await service.lookup({ what: { dir, name } }, ctx)).status);
  }

  async function lookup(dir: Filehandle, name: string): Promise<Filehandle> {
    const found = await service.lookup({ what: { dir, name } }, ctx);
    assert.ok(found.status === Nfsstat3.OK, `${name}: ${nfsstat3Name(found.status)}`);
    return found.object;
  }

  it('reads a symbolic link out of the root as a link, never as its target', async () => {
    const link = await lookup(root, 'passwd');
    const target = await service.readlink({ symlink: link }, ctx);
    assert.ok(target.status === Nfsstat3.OK);
    assert.equal(target.data, '/etc/passwd');
    const read = await service.read({ file: link, offset: 0, count: 100 }, ctx);
    assert.equal(nfsstat3Name(read.status), 'NFS3ERR_INVAL');
  });

  it('does not look names up in a symbolic link to a directory, nor mount one', async () => {
    assert.equal(await status(await lookup(root, 'link'), 'deep'), 'NFS3ERR_NOTDIR');
    assert.equal((await service.mount('/link/deep', ctx)).status, Nfsstat3.NOTDIR);
  });

  it('has no way above the root', async () => {
    assert.deepEqual(await lookup(root, '..'), root);
    const dir = await lookup(root, 'dir');
    assert.deepEqual(await lookup(await lookup(dir, 'deep'), '..'), dir);
    assert.deepEqual(await lookup(dir, '..'), root);
    assert.notEqual((await service.mount('/../outside', ctx)).status, Nfsstat3.OK);
  });

  for (const name of ['../outside', 'dir/deep', '/etc/passwd', '', 'dir\0', '../../etc/passwd']) {
    it(`refuses the name ${JSON.stringify(name)}`, async () => {
      assert.equal(await status(root, name), 'NFS3ERR_ACCES');
    });
  }

  it('stays with a directory that was swapped for a symbolic link after its LOOKUP', async () => {
    const dir = await lookup(root, 'dir');
    const deep = await lookup(dir, 'deep');
    await rename(join(base, 'root/dir'), join(base, 'root/moved'));
    await symlink('../outside', join(base, 'root/dir'));
    const file = await lookup(deep, 'file');
    const read = await service.read({ file, offset: 0, count: 100 }, ctx);
    assert.ok(read.status === Nfsstat3.OK);
    assert.equal(Buffer.concat(read.data).toString(), 'inside');
    assert.equal(await status(await lookup(root, 'dir'), 'deep'), 'NFS3ERR_NOTDIR');
  });

  it('does not find its way out after a restart either', async () => {
    const dir = await lookup(root, 'dir');
    const file = await lookup(await lookup(dir, 'deep'), 'file');
    await rename(join(base, 'root/dir'), join(base, 'gone'));
    await symlink('../gone', join(base, 'root/dir'));
    const restarted = await createLocalDirectory({
      root: join(base, 'root'),
      access: 'read-only',
    });
    const read = await restarted.read({ file, offset: 0, count: 100 }, ctx);
    await restarted.close();
    assert.equal(nfsstat3Name(read.status), 'NFS3ERR_STALE');
  });

  it('has no `..` out of a directory that was moved out of the root', async () => {
    const dir = await lookup(root, 'dir');
    const deep = await lookup(dir, 'deep');
    await service.getattr({ object: deep }, ctx);
    await rename(join(base, 'root/dir/deep'), join(base, 'outside/moved'));
    assert.equal(await status(deep, '..'), 'NFS3ERR_STALE');
  });
});
