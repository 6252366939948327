import assert from 'node:assert/strict';
import { ok, refused } from '../client.ts';
import { manyNames } from '../sample.ts';
import type { Group } from '../group.ts';

export const remove: Group = {
  name: 'REMOVE (3.3.12) and RMDIR (3.3.13)',
  needs: 'writable',
  register(test) {
    test('REMOVE takes a file away; its handle is STALE', async (client) => {
      const { service, ctx } = client;
      const dir = await client.freshDirectory();
      const object = await client.file(dir, 'a', 'x');
      ok(await service.remove({ object: { dir, name: 'a' } }, ctx));
      assert.equal(await client.exists(dir, 'a'), false);
      refused(await service.getattr({ object }, ctx), 'STALE');
      refused(await service.read({ file: object, offset: 0, count: 1 }, ctx), 'STALE');
      assert.deepEqual(await client.names(dir), []);
    });

    test('a new file of the same name is another object', async (client) => {
      const { service, ctx } = client;
      const dir = await client.freshDirectory();
      const first = await client.file(dir, 'a', 'first');
      ok(await service.remove({ object: { dir, name: 'a' } }, ctx));
      const second = await client.file(dir, 'a', 'second');
      assert.notDeepEqual(second, first);
      refused(await service.getattr({ object: first }, ctx), 'STALE');
      assert.equal((await client.read(second)).toString(), 'second');
    });

    test('sample files go away, and their names can be used again', async (client) => {
      const { service, ctx } = client;
      const dir = await client.walk('many');
      const [name = ''] = manyNames();
      ok(await service.remove({ object: { dir, name } }, ctx));
      assert.equal(await client.exists(dir, name), false);
      assert.ok(!(await client.names(dir)).includes(name));
      const file = await client.file(dir, name, 'new');
      assert.equal((await client.read(file)).toString(), 'new');
      assert.equal((await client.names(dir)).length, manyNames().length);
    });

    test('one of two names leaves the other', async (client) => {
      const { service, root, ctx } = client;
      const other = await client.walk('hard-b');
      ok(await service.remove({ object: { dir: root, name: 'hard-a' } }, ctx));
      assert.equal((await client.read(other)).toString(), 'two names');
      assert.equal((await client.attributes(other)).nlink, 1);
    });

    test('REMOVE takes a symbolic link, not its target', async (client) => {
      const { service, root, ctx } = client;
      ok(await service.remove({ object: { dir: root, name: 'link' } }, ctx));
      assert.equal(await client.exists(root, 'link'), false);
      assert.equal(await client.exists(root, 'hello.txt'), true);
    });

    test('REMOVE of a directory is refused', async (client) => {
      const { service, root: dir, ctx } = client;
      refused(await service.remove({ object: { dir, name: 'dir' } }, ctx), 'ISDIR', 'PERM');
      assert.equal(await client.exists(dir, 'dir'), true);
    });

    test('RMDIR takes an empty directory', async (client) => {
      const { service, ctx } = client;
      const dir = await client.freshDirectory();
      const { nlink } = await client.attributes(dir);
      const object = await client.mkdir(dir, 'sub');
      ok(await service.rmdir({ object: { dir, name: 'sub' } }, ctx));
      assert.equal(await client.exists(dir, 'sub'), false);
      refused(await service.getattr({ object }, ctx), 'STALE');
      assert.equal((await client.attributes(dir)).nlink, nlink);
    });

    test('RMDIR of a full directory is NOTEMPTY, also of a sample one', async (client) => {
      const { service, root: dir, ctx } = client;
      refused(await service.rmdir({ object: { dir, name: 'dir' } }, ctx), 'NOTEMPTY', 'EXIST');
    });

    test('RMDIR takes a sample directory when its entries are gone', async (client) => {
      const { service, root, ctx } = client;
      const names = await client.walk('names');
      for (const name of await client.names(names)) {
        ok(await service.remove({ object: { dir: names, name } }, ctx));
      }
      ok(await service.rmdir({ object: { dir: root, name: 'names' } }, ctx));
      assert.equal(await client.exists(root, 'names'), false);
      const again = await client.mkdir(root, 'names');
      assert.deepEqual(await client.names(again), []);
    });

    test('RMDIR of a file is NOTDIR; of . INVAL; of .. EXIST', async (client) => {
      const { service, ctx, root } = client;
      refused(await service.rmdir({ object: { dir: root, name: 'hello.txt' } }, ctx), 'NOTDIR');
      const dir = await client.walk('dir');
      refused(await service.rmdir({ object: { dir, name: '.' } }, ctx), 'INVAL');
      refused(await service.rmdir({ object: { dir, name: '..' } }, ctx), 'EXIST', 'INVAL');
    });

    test('what is not there is NOENT', async ({ service, root: dir, ctx }) => {
      refused(await service.remove({ object: { dir, name: 'missing' } }, ctx), 'NOENT');
      refused(await service.rmdir({ object: { dir, name: 'missing' } }, ctx), 'NOENT');
    });

    test('wants write permission on the directory, and in a sticky one ownership', async (client) => {
      const { service } = client;
      const plain = await client.freshDirectory(0o755);
      const sticky = await client.freshDirectory(0o1777);
      await client.file(plain, 'a', 'x');
      await client.as(1000, 1000).file(sticky, 'a', 'x');
      const other = client.as(1001, 1001).ctx;
      refused(await service.remove({ object: { dir: plain, name: 'a' } }, other), 'ACCES');
      const object = { dir: sticky, name: 'a' };
      refused(await service.remove({ object }, other), 'ACCES', 'PERM');
      ok(await service.remove({ object }, client.as(1000, 1000).ctx));
    });

    test('leaves a listing going on where it was', async (client) => {
      const { service, ctx } = client;
      const dir = await client.freshDirectory();
      const names = Array.from({ length: 100 }, (_, i) => `f${i}`);
      for (const name of names) await client.file(dir, name, '');
      const start = { dir, cookie: 0n, cookieverf: 0n, count: 1024 };
      const first = ok(await service.readdir(start, ctx));
      const seen = first.entries.map(({ name }) => name);
      // Removing what was listed must not make the listing skip anything.
      for (const name of seen.filter((entry) => !entry.startsWith('.'))) {
        ok(await service.remove({ object: { dir, name } }, ctx));
      }
      for (let page = first; !page.eof;) {
        const cookie = page.entries.at(-1)?.cookie ?? 0n;
        const { cookieverf } = page;
        page = ok(await service.readdir({ dir, cookie, cookieverf, count: 1024 }, ctx));
        seen.push(...page.entries.map(({ name }) => name));
      }
      assert.deepEqual(seen.filter((name) => !name.startsWith('.')).sort(), names.sort());
    });
  },
};
