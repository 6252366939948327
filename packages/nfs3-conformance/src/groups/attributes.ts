import assert from 'node:assert/strict';
import { Ftype3 } from '@rowfs/nfs3';
import type { Group } from '../group.ts';
import { BINARY_BYTES, HOLES_BYTES } from '../sample.ts';

export const attributes: Group = {
  name: 'GETATTR (3.3.1)',
  needs: 'nothing',
  register(test) {
    test('tells type, mode and size', async (client) => {
      const hello = await client.attributes(await client.walk('hello.txt'));
      assert.deepEqual([hello.type, hello.mode, hello.size], [Ftype3.REG, 0o644, 13]);
      const script = await client.attributes(await client.walk('script'));
      assert.equal(script.mode, 0o755);
      const binary = await client.attributes(await client.walk('dir/nested/file.bin'));
      assert.equal(binary.size, BINARY_BYTES);
      assert.equal((await client.attributes(client.root)).type, Ftype3.DIR);
    });

    test('tells a symbolic link from what it points to', async (client) => {
      const link = await client.attributes(await client.walk('link'));
      assert.deepEqual([link.type, link.size], [Ftype3.LNK, 'hello.txt'.length]);
    });

    test('counts links', async (client) => {
      assert.equal((await client.attributes(await client.walk('hello.txt'))).nlink, 1);
      assert.equal((await client.attributes(await client.walk('hard-a'))).nlink, 2);
    });

    test('gives one fileid to two names of a file, and each object its own', async (client) => {
      const paths = ['', 'dir', 'dir/nested', 'hello.txt', 'link', 'hard-a', 'empty'];
      const ids = await Promise.all(
        paths.map(async (path) => (await client.attributes(await client.walk(path))).fileid),
      );
      assert.equal(new Set(ids).size, paths.length);
      const [a, b] = [await client.walk('hard-a'), await client.walk('hard-b')];
      assert.equal((await client.attributes(a)).fileid, (await client.attributes(b)).fileid);
    });

    test('has one fsid for the whole tree', async (client) => {
      const { fsid } = await client.attributes(client.root);
      for (const path of ['dir/nested', 'hello.txt', 'link', 'names']) {
        assert.equal((await client.attributes(await client.walk(path))).fsid, fsid, path);
      }
    });

    test('tells the length of a file with a hole, and less space used', async (client) => {
      const holes = await client.attributes(await client.walk('holes'));
      assert.equal(holes.size, HOLES_BYTES);
      assert.ok(holes.used < HOLES_BYTES, `${holes.used} bytes used`);
    });

    test('answers the same twice, and has nanoseconds below a second', async (client) => {
      const hello = await client.walk('hello.txt');
      const first = await client.attributes(hello);
      assert.deepEqual(await client.attributes(hello), first);
      for (const { nseconds } of [first.atime, first.mtime, first.ctime]) {
        assert.ok(nseconds < 1_000_000_000);
      }
    });
  },
};
