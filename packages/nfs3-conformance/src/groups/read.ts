import assert from 'node:assert/strict';
import { ok, refused } from '../client.ts';
import { BINARY_BYTES, binaryContent, HOLES_BYTES, HOLES_TAIL } from '../sample.ts';
import type { Group } from '../group.ts';

export const read: Group = {
  name: 'READ (3.3.6) and READLINK (3.3.5)',
  needs: 'nothing',
  register(test) {
    test('reads a file, and tells where it ends', async (client) => {
      const file = await client.walk('hello.txt');
      const whole = ok(await client.service.read({ file, offset: 0, count: 100 }, client.ctx));
      assert.equal(Buffer.concat(whole.data).toString(), 'hello, world\n');
      assert.equal(whole.eof, true);
      const part = ok(await client.service.read({ file, offset: 7, count: 5 }, client.ctx));
      assert.equal(Buffer.concat(part.data).toString(), 'world');
      assert.equal(part.eof, false);
    });

    test('answers no bytes and eof at the end, beyond it, and in an empty file', async (client) => {
      for (const [path, offset] of [
        ['hello.txt', 13],
        ['hello.txt', 1_000_000_000_000],
        ['empty', 0],
      ] as const) {
        const file = await client.walk(path);
        const result = ok(await client.service.read({ file, offset, count: 10 }, client.ctx));
        assert.deepEqual([result.count, result.eof], [0, true], `${path} at ${offset}`);
      }
    });

    test('answers no bytes for a count of 0', async (client) => {
      const file = await client.walk('hello.txt');
      const result = ok(await client.service.read({ file, offset: 0, count: 0 }, client.ctx));
      assert.deepEqual([result.count, result.eof], [0, false]);
    });

    for (const step of [1000, 4096, 65_536, 1_048_576]) {
      test(`reads every byte in steps of ${step}`, async (client) => {
        const content = await client.readAll(await client.walk('dir/nested/file.bin'), step);
        assert.ok(content.equals(binaryContent()));
      });
    }

    test('reads at odd offsets', async (client) => {
      const file = await client.walk('dir/nested/file.bin');
      const content = binaryContent();
      for (const [offset, count] of [
        [4095, 2],
        [4097, 8191],
        [BINARY_BYTES - 1, 1],
        [131_071, 131_075],
      ] as const) {
        const bytes = await client.read(file, offset, count);
        assert.ok(bytes.equals(content.subarray(offset, offset + bytes.length)), `at ${offset}`);
        assert.ok(bytes.length > 0);
      }
    });

    test('reads zeros from a hole', async (client) => {
      const file = await client.walk('holes');
      const start = await client.read(file, 0, 4096);
      assert.ok(start.equals(Buffer.alloc(start.length)));
      const tail = await client.read(file, HOLES_BYTES - HOLES_TAIL.length, 100);
      assert.equal(tail.toString(), HOLES_TAIL);
    });

    test('serves many READs at the same time, each its own bytes', async (client) => {
      const file = await client.walk('dir/nested/file.bin');
      const content = binaryContent();
      const offsets = Array.from({ length: 64 }, (_, i) => (i * 4321) % (BINARY_BYTES - 5000));
      const parts = await Promise.all(offsets.map((offset) => client.read(file, offset, 5000)));
      parts.forEach((part, i) => {
        const offset = offsets[i] ?? 0;
        assert.ok(part.equals(content.subarray(offset, offset + part.length)), `at ${offset}`);
      });
    });

    test('refuses what has no data: ISDIR or INVAL', async ({ service, root, ctx }) => {
      refused(await service.read({ file: root, offset: 0, count: 10 }, ctx), 'ISDIR', 'INVAL');
    });

    test('does not read through a symbolic link', async (client) => {
      const file = await client.walk('link');
      refused(await client.service.read({ file, offset: 0, count: 10 }, client.ctx), 'INVAL');
    });

    for (const [name, target] of [
      ['link', 'hello.txt'],
      ['dangling', 'nowhere/at/all'],
      ['outside', '/etc'],
    ] as const) {
      test(`READLINK tells where ${name} points`, async (client) => {
        const symlink = await client.walk(name);
        assert.equal(ok(await client.service.readlink({ symlink }, client.ctx)).data, target);
      });
    }

    test('READLINK of what is no link is INVAL', async (client) => {
      for (const path of ['hello.txt', 'dir']) {
        const symlink = await client.walk(path);
        refused(await client.service.readlink({ symlink }, client.ctx), 'INVAL');
      }
    });
  },
};
