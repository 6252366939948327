import assert from 'node:assert/strict';
import { Ftype3, NAME_MAX } from '@rowfs/nfs3';
import { ok, refused, sattr } from '../client.ts';
import { ODD_NAMES } from '../sample.ts';
import type { Group } from '../group.ts';

export const create: Group = {
  name: 'CREATE (3.3.8), MKDIR (3.3.9), SYMLINK (3.3.10) and MKNOD (3.3.11)',
  needs: 'writable',
  register(test) {
    const objAttributes = sattr({ mode: 0o640 });
    const unchecked = { mode: 'unchecked', objAttributes } as const;
    const guarded = { mode: 'guarded', objAttributes } as const;

    test('makes an empty file with the mode that was asked, of the caller', async (client) => {
      const dir = await client.freshDirectory(0o777);
      const caller = client.as(1000, 1001);
      ok(await client.service.create({ where: { dir, name: 'a' }, how: guarded }, caller.ctx));
      const made = await client.attributes(await client.lookup(dir, 'a'));
      assert.deepEqual([made.type, made.mode, made.size], [Ftype3.REG, 0o640, 0]);
      assert.deepEqual([made.uid, made.gid], [1000, 1001]);
    });

    test('makes no program that runs as a group which its maker is not in', async (client) => {
      const dir = await client.freshDirectory(0o777);
      const newAttributes = sattr({ mode: 0o2777, gid: 1500 });
      const object = dir;
      ok(await client.service.setattr({ object, newAttributes, guard: undefined }, client.ctx));
      const how = { mode: 'guarded', objAttributes: sattr({ mode: 0o2755 }) } as const;
      for (const [name, gids, mode] of [
        ['others', [], 0o755],
        ['members', [1500], 0o2755],
      ] as const) {
        const caller = client.as(1000, 1001, gids);
        ok(await client.service.create({ where: { dir, name }, how }, caller.ctx));
        const made = await client.attributes(await client.lookup(dir, name));
        assert.deepEqual([made.gid, made.mode], [1500, mode], name);
      }
    });

    test('UNCHECKED takes a file that is there, GUARDED does not', async (client) => {
      const { service, ctx } = client;
      const dir = await client.freshDirectory();
      const where = { dir, name: 'a' };
      const file = await client.file(dir, 'a', 'content');
      refused(await service.create({ where, how: guarded }, ctx), 'EXIST');
      const again = ok(await service.create({ where, how: unchecked }, ctx));
      if (again.obj !== undefined) assert.deepEqual(again.obj, file);
      assert.equal((await client.read(file)).toString(), 'content');
    });

    test('UNCHECKED with a size of 0 empties a file that is there', async (client) => {
      const dir = await client.freshDirectory();
      const file = await client.file(dir, 'a', 'content');
      const how = { mode: 'unchecked', objAttributes: sattr({ size: 0 }) } as const;
      ok(await client.service.create({ where: { dir, name: 'a' }, how }, client.ctx));
      assert.equal((await client.attributes(file)).size, 0);
    });

    test('EXCLUSIVE succeeds again with the same verifier only', async (client) => {
      const { service, ctx } = client;
      const dir = await client.freshDirectory();
      const where = { dir, name: 'a' };
      const how = { mode: 'exclusive', verf: 0x1234_5678_0abc_def0n } as const;
      const first = ok(await service.create({ where, how }, ctx));
      const again = ok(await service.create({ where, how }, ctx));
      assert.deepEqual(again.obj, first.obj);
      const other = { mode: 'exclusive', verf: 0x1111_1111_2222_2222n } as const;
      refused(await service.create({ where, how: other }, ctx), 'EXIST');
    });

    test('answers EXIST over anything else, and over sample names', async (client) => {
      const { service, root: dir, ctx } = client;
      for (const name of ['dir', 'link']) {
        refused(await service.create({ where: { dir, name }, how: guarded }, ctx), 'EXIST');
        refused(await service.mkdir({ where: { dir, name }, attributes: sattr({}) }, ctx), 'EXIST');
      }
      const where = { dir, name: 'hello.txt' };
      refused(await service.create({ where, how: guarded }, ctx), 'EXIST');
      refused(await service.mkdir({ where, attributes: sattr({}) }, ctx), 'EXIST');
      const link = { where, symlinkAttributes: sattr({}), symlinkData: 'x' };
      refused(await service.symlink(link, ctx), 'EXIST');
    });

    test('answers EXIST for . and .., and refuses what is no name', async (client) => {
      const { service, ctx } = client;
      const dir = await client.freshDirectory();
      for (const name of ['.', '..']) {
        const where = { dir, name };
        refused(await service.mkdir({ where, attributes: sattr({}) }, ctx), 'EXIST');
        refused(await service.create({ where, how: guarded }, ctx), 'EXIST');
      }
      for (const name of ['a/b', '', '../escape', 'nul\0']) {
        const where = { dir, name };
        refused(await service.create({ where, how: guarded }, ctx), 'ACCES', 'INVAL');
        refused(await service.mkdir({ where, attributes: sattr({}) }, ctx), 'ACCES', 'INVAL');
      }
      const where = { dir, name: 'x'.repeat(NAME_MAX + 1) };
      refused(await service.create({ where, how: guarded }, ctx), 'NAMETOOLONG');
      assert.deepEqual(await client.names(dir), []);
    });

    test('takes every name that a Unix has, byte for byte', async (client) => {
      const dir = await client.freshDirectory();
      for (const name of ODD_NAMES) await client.file(dir, name, name.slice(0, 3));
      assert.deepEqual(await client.names(dir), [...ODD_NAMES].sort());
    });

    test('refuses a caller who may not write the directory', async (client) => {
      const { service } = client;
      const dir = await client.freshDirectory(0o755);
      const { ctx } = client.as(1000, 1000);
      const where = { dir, name: 'a' };
      refused(await service.create({ where, how: guarded }, ctx), 'ACCES');
      refused(await service.mkdir({ where, attributes: sattr({}) }, ctx), 'ACCES');
    });

    test('answers NOTDIR below a file', async (client) => {
      const where = { dir: await client.walk('hello.txt'), name: 'a' };
      refused(await client.service.create({ where, how: guarded }, client.ctx), 'NOTDIR');
    });

    test('MKDIR makes an empty directory that counts in nlink', async (client) => {
      const parent = await client.freshDirectory();
      const before = await client.attributes(parent);
      const dir = await client.mkdir(parent, 'sub', 0o750);
      const made = await client.attributes(dir);
      assert.deepEqual([made.type, made.mode, made.nlink], [Ftype3.DIR, 0o750, 2]);
      assert.equal((await client.attributes(parent)).nlink, before.nlink + 1);
      assert.deepEqual(await client.names(dir), []);
      const up = await client.lookup(dir, '..');
      assert.equal((await client.attributes(up)).fileid, before.fileid);
    });

    for (const target of ['a', '/absolute', '../..', 'x'.repeat(1000), '\xff\xfe']) {
      test(`SYMLINK keeps ${JSON.stringify(target.slice(0, 20))} as it is`, async (client) => {
        const { service, ctx } = client;
        const where = { dir: await client.freshDirectory(), name: 'link' };
        const args = { where, symlinkAttributes: sattr({ mode: 0o777 }), symlinkData: target };
        ok(await service.symlink(args, ctx));
        const symlink = await client.lookup(where.dir, 'link');
        assert.equal(ok(await service.readlink({ symlink }, ctx)).data, target);
        assert.equal((await client.attributes(symlink)).type, Ftype3.LNK);
      });
    }

    test('MKNOD makes a FIFO, or says NOTSUPP', async (client) => {
      const where = { dir: await client.freshDirectory(), name: '\xfffifo' };
      const what = { type: Ftype3.FIFO, attributes: sattr({ mode: 0o622 }) } as const;
      const made = await client.service.mknod({ where, what }, client.ctx);
      if (made.status !== 0) {
        refused(made, 'NOTSUPP');
        return;
      }
      const fifo = await client.lookup(where.dir, where.name);
      const { type, mode } = await client.attributes(fifo);
      assert.deepEqual([type, mode], [Ftype3.FIFO, 0o622]);
      refused(await client.service.read({ file: fifo, offset: 0, count: 1 }, client.ctx), 'INVAL');
    });

    test('MKNOD makes a device with its numbers, or says NOTSUPP or PERM', async (client) => {
      const where = { dir: await client.freshDirectory(), name: 'null' };
      const spec = { specdata1: 1, specdata2: 3 };
      const what = { type: Ftype3.CHR, attributes: sattr({ mode: 0o666 }), spec } as const;
      const made = await client.service.mknod({ where, what }, client.ctx);
      if (made.status !== 0) {
        refused(made, 'NOTSUPP', 'PERM');
        return;
      }
      const device = await client.attributes(await client.lookup(where.dir, 'null'));
      assert.deepEqual([device.type, device.rdev], [Ftype3.CHR, spec]);
    });

    test('MKNOD refuses what is no node: BADTYPE', async (client) => {
      const where = { dir: await client.freshDirectory(), name: 'a' };
      const what = { type: Ftype3.REG } as const;
      refused(await client.service.mknod({ where, what }, client.ctx), 'BADTYPE');
    });
  },
};
