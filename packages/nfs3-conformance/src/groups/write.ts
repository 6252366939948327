import assert from 'node:assert/strict';
import { StableHow } from '@rowfs/nfs3';
import { ok, refused } from '../client.ts';
import { binaryContent, BINARY_BYTES } from '../sample.ts';
import type { Group } from '../group.ts';

export const write: Group = {
  name: 'WRITE (3.3.7) and COMMIT (3.3.21)',
  needs: 'writable',
  register(test) {
    for (const [how, stable] of Object.entries(StableHow)) {
      test(`${how}: is read back, as committed as was asked`, async (client) => {
        const { service, ctx } = client;
        const file = await client.file(await client.freshDirectory(), 'file', '');
        const data = [Buffer.from('some '), Buffer.from('data')];
        const written = ok(await service.write({ file, offset: 0, count: 9, stable, data }, ctx));
        assert.equal(written.count, 9);
        assert.ok(written.committed >= stable);
        assert.equal((await client.read(file)).toString(), 'some data');
        const committed = ok(await service.commit({ file, offset: 0, count: 0 }, ctx));
        assert.equal(committed.verf, written.verf);
      });
    }

    test('has one verifier for all files while the server runs', async (client) => {
      const { service, ctx } = client;
      const dir = await client.freshDirectory();
      const verifiers = new Set<bigint>();
      for (const name of ['a', 'b', 'c']) {
        const file = await client.file(dir, name, 'x');
        verifiers.add(ok(await service.commit({ file, offset: 0, count: 0 }, ctx)).verf);
      }
      assert.equal(verifiers.size, 1);
    });

    test('leaves a hole that reads as zeros', async (client) => {
      const file = await client.file(await client.freshDirectory(), 'file', 'start');
      await client.write(file, 100_000, 'end');
      const content = await client.readAll(file);
      assert.equal(content.length, 100_003);
      assert.ok(content.subarray(5, 100_000).equals(Buffer.alloc(99_995)));
      assert.equal(content.subarray(100_000).toString(), 'end');
    });

    test('overwrites a sample file in place: the other bytes stay', async (client) => {
      const file = await client.walk('dir/nested/file.bin');
      const expected = binaryContent();
      const patches = [
        [10, 'within the first block'],
        [4090, 'across two blocks'],
        [131_000, 'q'.repeat(9000)],
        [BINARY_BYTES - 3, 'beyond the end'],
        [BINARY_BYTES + 10_000, 'after a gap'],
      ] as const;
      let content: Buffer = expected;
      for (const [offset, text] of patches) {
        await client.write(file, offset, text);
        const grown = Buffer.alloc(Math.max(content.length, offset + text.length));
        content.copy(grown);
        grown.write(text, offset);
        content = grown;
      }
      const read = await client.readAll(file);
      assert.equal(read.length, content.length);
      assert.ok(read.equals(content));
    });

    test('moves size, mtime and wcc_data', async (client) => {
      const file = await client.file(await client.freshDirectory(), 'file', 'x');
      const before = await client.attributes(file);
      const data = [Buffer.from('longer')];
      const args = { file, offset: 0, count: 6, stable: StableHow.UNSTABLE, data };
      const { fileWcc } = ok(await client.service.write(args, client.ctx));
      if (fileWcc.before !== undefined) assert.equal(fileWcc.before.size, before.size);
      const after = await client.attributes(file);
      assert.equal(after.size, 6);
      if (fileWcc.after !== undefined) assert.equal(fileWcc.after.size, 6);
    });

    test('writes a megabyte at once, and many pieces at the same time', async (client) => {
      const dir = await client.freshDirectory();
      const big = Buffer.alloc(1024 * 1024, 'abcdefg');
      const file = await client.file(dir, 'big', '');
      await client.write(file, 3, big);
      const content = await client.readAll(file);
      assert.ok(content.subarray(3).equals(big));
      const pieces = await client.file(dir, 'pieces', '');
      await Promise.all(
        Array.from({ length: 50 }, (_, i) => client.write(pieces, i * 1000, Buffer.alloc(1000, i))),
      );
      const all = await client.readAll(pieces);
      assert.equal(all.length, 50_000);
      assert.ok(all.every((byte, i) => byte === Math.floor(i / 1000)));
    });

    test('of no bytes changes nothing', async (client) => {
      const file = await client.file(await client.freshDirectory(), 'file', 'x');
      const args = { file, offset: 100, count: 0, stable: StableHow.FILE_SYNC, data: [] };
      assert.equal(ok(await client.service.write(args, client.ctx)).count, 0);
      assert.equal((await client.attributes(file)).size, 1);
    });

    test('wants write permission, which the owner has whatever the mode', async (client) => {
      const owner = client.as(1000, 1000);
      const file = await owner.file(await client.freshDirectory(0o777), 'file', 'x', 0o444);
      const data = [Buffer.from('y')];
      const args = { file, offset: 0, count: 1, stable: StableHow.FILE_SYNC, data };
      refused(await client.service.write(args, client.as(1001, 1001).ctx), 'ACCES');
      ok(await client.service.write(args, owner.ctx));
    });

    test('into a directory or a symbolic link is refused', async (client) => {
      const data = [Buffer.from('y')];
      const stable = StableHow.FILE_SYNC;
      for (const path of ['dir', 'link']) {
        const file = await client.walk(path);
        const args = { file, offset: 0, count: 1, stable, data };
        refused(await client.service.write(args, client.ctx), 'INVAL', 'ISDIR');
      }
      assert.equal(
        (await client.read(await client.walk('hello.txt'))).toString(),
        'hello, world\n',
      );
    });
  },
};
