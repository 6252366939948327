import assert from 'node:assert/strict';
import { lstat, mkdtemp, readlink, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { geteuid } from 'node:process';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Nfsstat3, nfsstat3Name } from '../status.ts';
import { ctx as anybody } from '../test-support/context.ts';
import { type Filehandle, StableHow, UNCHANGED } from '../types.ts';
import type { Nfs3Context } from '../service.ts';
import { createLocalDirectory, type LocalDirectory } from './local-directory.ts';

function as(uid: number, gid = uid, gids: readonly number[] = []): Nfs3Context {
  return { ...anybody, credential: { flavor: 'sys', stamp: 0, machinename: '', uid, gid, gids } };
}

const root = as(0);

describe('a local directory that is written to', { skip: geteuid?.() !== 0 }, () => {
  let base: string;
  let service: LocalDirectory;
  let dir: Filehandle;

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'rowfs-permissions-'));
    service = await createLocalDirectory({ root: base, access: 'read-write' });
    const mounted = await service.mount('/', root);
    assert.ok(mounted.status === 0);
    dir = mounted.handle;
  });

  afterEach(async () => {
    await service.close();
    await rm(base, { recursive: true });
  });

  async function mkdir(name: string, mode: number, gid?: number): Promise<Filehandle> {
    const attributes = { ...UNCHANGED, mode, gid };
    const made = await service.mkdir({ where: { dir, name }, attributes }, root);
    assert.ok(made.status === Nfsstat3.OK && made.obj !== undefined);
    return made.obj;
  }

  async function create(where: Filehandle, name: string, mode: number, ctx: Nfs3Context) {
    const how = { mode: 'guarded', objAttributes: { ...UNCHANGED, mode } } as const;
    const made = await service.create({ where: { dir: where, name }, how }, ctx);
    assert.ok(made.status === Nfsstat3.OK && made.obj !== undefined);
    return made.obj;
  }

  it('gives new objects in a setgid directory its group, and directories the bit', async () => {
    const shared = await mkdir('shared', 0o2777, 500);
    await create(shared, 'file', 0o644, as(1000));
    const attributes = { ...UNCHANGED, mode: 0o755 };
    const where = { dir: shared, name: 'sub' };
    assert.equal((await service.mkdir({ where, attributes }, as(1000))).status, 0);
    const file = await stat(join(base, 'shared/file'));
    assert.deepEqual([file.uid, file.gid], [1000, 500]);
    const sub = await stat(join(base, 'shared/sub'));
    assert.deepEqual([sub.gid, sub.mode & 0o7777], [500, 0o2755]);
  });

  it('takes setuid away when somebody else than root writes', async () => {
    const file = await create(await mkdir('open', 0o777), 'file', 0o4777, as(1000));
    const data = [Buffer.from('x')];
    const write = { file, offset: 0, count: 1, stable: StableHow.UNSTABLE, data };
    assert.equal((await service.write(write, root)).status, 0);
    assert.equal((await stat(join(base, 'open/file'))).mode & 0o7777, 0o4777);
    assert.equal((await service.write(write, as(1001))).status, 0);
    assert.equal((await stat(join(base, 'open/file'))).mode & 0o7777, 0o777);
  });

  it('gives no file away, and groups only to their members', async () => {
    const object = await create(await mkdir('open', 0o777), 'file', 0o644, as(1000));
    const set = async (change: Partial<typeof UNCHANGED>, ctx: Nfs3Context): Promise<string> => {
      const newAttributes = { ...UNCHANGED, ...change };
      const { status } = await service.setattr({ object, newAttributes, guard: undefined }, ctx);
      return nfsstat3Name(status);
    };
    assert.equal(await set({ uid: 0 }, as(1000)), 'NFS3ERR_PERM');
    assert.equal(await set({ gid: 7 }, as(1000)), 'NFS3ERR_PERM');
    assert.equal(await set({ gid: 7 }, as(1000, 1000, [7])), 'NFS3_OK');
    assert.equal(await set({ mtime: { seconds: 1, nseconds: 0 } }, as(1001)), 'NFS3ERR_PERM');
  });

  it('treats a caller without AUTH_SYS as nobody', async () => {
    const nobody: Nfs3Context = { ...anybody, credential: { flavor: 'none' } };
    const how = { mode: 'guarded', objAttributes: UNCHANGED } as const;
    const refused = await service.create({ where: { dir, name: 'a' }, how }, nobody);
    assert.equal(nfsstat3Name(refused.status), 'NFS3ERR_ACCES');
    const made = await create(await mkdir('open', 0o777), 'file', 0o644, nobody);
    const { attributes } = await expectAttributes(made);
    assert.deepEqual([attributes.uid, attributes.gid], [65534, 65534]);
  });

  async function expectAttributes(object: Filehandle) {
    const result = await service.getattr({ object }, root);
    assert.ok(result.status === Nfsstat3.OK);
    return result;
  }

  it('changes a symbolic link itself, never what it points to', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'rowfs-outside-'));
    try {
      const before = await stat(outside, { bigint: true });
      await symlink(outside, join(base, 'link'));
      const found = await service.lookup({ what: { dir, name: 'link' } }, root);
      assert.ok(found.status === Nfsstat3.OK);
      const time = { seconds: 1000, nseconds: 0 };
      const newAttributes = {
        ...UNCHANGED,
        mode: 0o700,
        uid: 42,
        gid: 43,
        atime: time,
        mtime: time,
      };
      const args = { object: found.object, newAttributes, guard: undefined };
      assert.equal((await service.setattr(args, root)).status, 0);
      const link = await lstat(join(base, 'link'));
      assert.deepEqual([link.uid, link.gid, link.mtimeMs], [42, 43, 1_000_000]);
      assert.deepEqual(await stat(outside, { bigint: true }), before);
      const second = { file: found.object, link: { dir, name: 'second' } };
      assert.equal((await service.link(second, root)).status, 0);
      assert.equal(await readlink(join(base, 'second')), outside);
      const truncate = { ...UNCHANGED, size: 0 };
      const how = { mode: 'unchecked', objAttributes: truncate } as const;
      const over = await service.create({ where: { dir, name: 'link' }, how }, root);
      assert.equal(nfsstat3Name(over.status), 'NFS3ERR_EXIST');
    } finally {
      await rm(outside, { recursive: true });
    }
  });
});
