import assert from 'node:assert/strict';
import { ok, refused } from '../client.ts';
import { binaryContent, ODD_NAMES } from '../sample.ts';
import type { Group } from '../group.ts';

export const rename: Group = {
  name: 'RENAME (3.3.14) and LINK (3.3.15)',
  needs: 'writable',
  register(test) {
    test('moves a file between directories; handle and fileid stay', async (client) => {
      const { service, ctx } = client;
      const [a, b] = [await client.freshDirectory(), await client.freshDirectory()];
      const file = await client.file(a, 'old', 'content');
      const { fileid } = await client.attributes(file);
      ok(await service.rename({ from: { dir: a, name: 'old' }, to: { dir: b, name: 'new' } }, ctx));
      assert.equal(await client.exists(a, 'old'), false);
      assert.deepEqual(await client.lookup(b, 'new'), file);
      assert.equal((await client.attributes(file)).fileid, fileid);
      assert.equal((await client.read(file)).toString(), 'content');
    });

    test('replaces a file in one step; the replaced handle is STALE', async (client) => {
      const { service, ctx } = client;
      const dir = await client.freshDirectory();
      const file = await client.file(dir, 'a', 'from a');
      const replaced = await client.file(dir, 'b', 'from b');
      ok(await service.rename({ from: { dir, name: 'a' }, to: { dir, name: 'b' } }, ctx));
      assert.deepEqual(await client.names(dir), ['b']);
      assert.equal((await client.read(file)).toString(), 'from a');
      refused(await service.getattr({ object: replaced }, ctx), 'STALE');
    });

    test('moves a sample directory with all that is below it', async (client) => {
      const { service, root, ctx } = client;
      const target = await client.freshDirectory();
      const file = await client.walk('dir/nested/file.bin');
      const { fileid } = await client.attributes(file);
      const from = { dir: root, name: 'dir' };
      ok(await service.rename({ from, to: { dir: target, name: 'moved' } }, ctx));
      assert.equal(await client.exists(root, 'dir'), false);
      const moved = await client.lookup(target, 'moved');
      const nested = await client.lookup(moved, 'nested');
      const again = await client.lookup(nested, 'file.bin');
      assert.equal((await client.attributes(again)).fileid, fileid);
      assert.ok((await client.readAll(again)).equals(binaryContent()));
      const up = await client.lookup(moved, '..');
      const { fileid: expected } = await client.attributes(target);
      assert.equal((await client.attributes(up)).fileid, expected);
      ok(await service.rename({ from: { dir: target, name: 'moved' }, to: from }, ctx));
      assert.ok((await client.readAll(file)).equals(binaryContent()));
    });

    test('replaces a sample file by a new one, and the reverse', async (client) => {
      const { service, root, ctx } = client;
      await client.file(root, 'new', 'new content');
      const to = { dir: root, name: 'private' };
      ok(await service.rename({ from: { dir: root, name: 'new' }, to }, ctx));
      assert.equal((await client.read(await client.walk('private'))).toString(), 'new content');
      await client.file(root, 'target', 'x');
      const from = { dir: root, name: 'script' };
      ok(await service.rename({ from, to: { dir: root, name: 'target' } }, ctx));
      assert.equal((await client.read(await client.walk('target'))).toString(), '#!/bin/sh\n');
      assert.equal(await client.exists(root, 'script'), false);
    });

    test('replaces an empty directory by a directory', async (client) => {
      const { service, ctx } = client;
      const dir = await client.freshDirectory();
      const moved = await client.mkdir(dir, 'a');
      await client.file(moved, 'inside', 'x');
      await client.mkdir(dir, 'b');
      ok(await service.rename({ from: { dir, name: 'a' }, to: { dir, name: 'b' } }, ctx));
      assert.deepEqual(await client.names(dir), ['b']);
      assert.deepEqual(await client.names(await client.lookup(dir, 'b')), ['inside']);
    });

    test('refuses a full directory as target, and unlike kinds', async (client) => {
      const { service, ctx } = client;
      const dir = await client.freshDirectory();
      await client.mkdir(dir, 'empty');
      await client.file(await client.mkdir(dir, 'full'), 'x', '');
      await client.file(dir, 'file', '');
      const move = (from: string, to: string) =>
        service.rename({ from: { dir, name: from }, to: { dir, name: to } }, ctx);
      refused(await move('empty', 'full'), 'EXIST', 'NOTEMPTY');
      refused(await move('file', 'empty'), 'EXIST', 'ISDIR');
      refused(await move('empty', 'file'), 'EXIST', 'NOTDIR');
      assert.deepEqual(await client.names(dir), ['empty', 'file', 'full']);
    });

    test('refuses to move a directory below itself: INVAL', async (client) => {
      const { service, ctx } = client;
      const dir = await client.freshDirectory();
      const a = await client.mkdir(dir, 'a');
      const b = await client.mkdir(a, 'b');
      const from = { dir, name: 'a' };
      refused(await service.rename({ from, to: { dir: b, name: 'c' } }, ctx), 'INVAL');
      refused(await service.rename({ from, to: { dir: a, name: 'c' } }, ctx), 'INVAL');
    });

    test('of a name to itself, and of two names of one file, changes nothing', async (client) => {
      const { service, root, ctx } = client;
      const move = (from: string, to: string) =>
        service.rename({ from: { dir: root, name: from }, to: { dir: root, name: to } }, ctx);
      ok(await move('hello.txt', 'hello.txt'));
      ok(await move('hard-a', 'hard-b'));
      for (const name of ['hello.txt', 'hard-a', 'hard-b']) {
        assert.equal(await client.exists(root, name), true, name);
      }
    });

    test('answers NOENT, INVAL for . and .., and refuses what is no name', async (client) => {
      const { service, ctx } = client;
      const dir = await client.freshDirectory();
      await client.file(dir, 'a', '');
      const move = (from: string, to: string) =>
        service.rename({ from: { dir, name: from }, to: { dir, name: to } }, ctx);
      refused(await move('missing', 'b'), 'NOENT');
      refused(await move('.', 'b'), 'INVAL', 'EXIST');
      refused(await move('a', '..'), 'INVAL', 'EXIST');
      refused(await move('a', 'b/c'), 'ACCES', 'INVAL');
      refused(await move('a', 'x'.repeat(256)), 'NAMETOOLONG');
      assert.deepEqual(await client.names(dir), ['a']);
    });

    test('takes odd names, from and to', async (client) => {
      const { service, ctx } = client;
      const dir = await client.freshDirectory();
      const [first = '', ...others] = ODD_NAMES;
      let name = first;
      await client.file(dir, name, 'x');
      for (const next of others) {
        ok(await service.rename({ from: { dir, name }, to: { dir, name: next } }, ctx));
        name = next;
        assert.deepEqual(await client.names(dir), [name]);
      }
    });

    test('LINK gives a file a second name', async (client) => {
      const { service, ctx } = client;
      const dir = await client.freshDirectory();
      for (const file of [await client.file(dir, 'a', 'x'), await client.walk('hello.txt')]) {
        const { fileid, nlink } = await client.attributes(file);
        ok(await service.link({ file, link: { dir, name: 'second' } }, ctx));
        const second = await client.attributes(await client.lookup(dir, 'second'));
        assert.deepEqual([second.fileid, second.nlink], [fileid, nlink + 1]);
        ok(await service.remove({ object: { dir, name: 'second' } }, ctx));
        assert.equal((await client.attributes(file)).nlink, nlink);
      }
    });

    test('LINK shows what is written through the other name', async (client) => {
      const dir = await client.freshDirectory();
      const file = await client.file(dir, 'a', 'before');
      ok(await client.service.link({ file, link: { dir, name: 'b' } }, client.ctx));
      await client.write(await client.lookup(dir, 'b'), 0, 'after!');
      assert.equal((await client.read(file)).toString(), 'after!');
    });

    test('LINK refuses a name that is there, and a directory', async (client) => {
      const { service, ctx } = client;
      const dir = await client.freshDirectory();
      const file = await client.file(dir, 'a', '');
      refused(await service.link({ file, link: { dir, name: 'a' } }, ctx), 'EXIST');
      const result = await service.link({ file: dir, link: { dir, name: 'b' } }, ctx);
      refused(result, 'ISDIR', 'PERM', 'INVAL');
    });
  },
};
