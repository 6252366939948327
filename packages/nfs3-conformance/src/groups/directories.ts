import assert from 'node:assert/strict';
import { dirEntryBytes, dirEntryPlusBytes, READDIR_OVERHEAD_BYTES } from '@rowfs/nfs3';
import { ok, present, refused } from '../client.ts';
import { manyNames, ODD_NAMES } from '../sample.ts';
import type { Group } from '../group.ts';

export const directories: Group = {
  name: 'READDIR (3.3.16) and READDIRPLUS (3.3.17)',
  needs: 'nothing',
  register(test) {
    for (const count of [512, 4096, 65_536]) {
      test(`READDIR lists ${manyNames().length} names in answers of ${count} bytes`, async (client) => {
        assert.deepEqual(await client.names(await client.walk('many')), manyNames());
        const entries = await client.readdir(await client.walk('many'), count);
        const names = entries.map(({ name }) => name).filter((name) => !name.startsWith('.'));
        assert.deepEqual(names.sort(), manyNames());
      });
    }

    test('lists names byte for byte', async (client) => {
      assert.deepEqual(await client.names(await client.walk('names')), [...ODD_NAMES].sort());
      const plus = await client.readdirplus(await client.walk('names'));
      const names = plus.map(({ name }) => name).filter((name) => name !== '.' && name !== '..');
      assert.deepEqual(names.sort(), [...ODD_NAMES].sort());
    });

    test('has the fileids that GETATTR tells', async (client) => {
      const dir = await client.walk('dir');
      for (const { name, fileid } of await client.readdir(client.root)) {
        if (name === '..') continue;
        const { fileid: expected } = await client.attributes(await client.walk(name));
        assert.equal(fileid, expected, name);
      }
      const nested = (await client.readdir(dir)).find(({ name }) => name === 'nested');
      assert.equal(
        nested?.fileid,
        (await client.attributes(await client.walk('dir/nested'))).fileid,
      );
    });

    test('gives each entry a cookie of its own, never 0', async (client) => {
      const entries = await client.readdir(await client.walk('many'));
      const cookies = new Set(entries.map(({ cookie }) => cookie));
      assert.equal(cookies.size, entries.length);
      assert.ok(!cookies.has(0n));
    });

    test('goes on after any entry, wherever an answer ended', async (client) => {
      const { service, ctx } = client;
      const dir = await client.walk('many');
      const first = await service.readdir({ dir, cookie: 0n, cookieverf: 0n, count: 65_536 }, ctx);
      const { entries, cookieverf } = ok(first);
      for (const at of [0, 1, 2, 100, entries.length - 2]) {
        const { cookie } = present(entries[at]);
        const rest = ok(await service.readdir({ dir, cookie, cookieverf, count: 4096 }, ctx));
        assert.equal(rest.entries[0]?.name, entries[at + 1]?.name, `after ${at}`);
      }
      const { cookie } = present(entries.at(-1));
      const end = ok(await service.readdir({ dir, cookie, cookieverf, count: 4096 }, ctx));
      assert.deepEqual([end.entries.length, end.eof], [0, true]);
    });

    test('keeps READDIR below count bytes', async (client) => {
      const dir = await client.walk('many');
      for (const count of [300, 1000, 8192]) {
        const args = { dir, cookie: 0n, cookieverf: 0n, count };
        const { entries, eof } = ok(await client.service.readdir(args, client.ctx));
        const bytes = entries.reduce((sum, { name }) => sum + dirEntryBytes(name), 0);
        assert.ok(bytes + READDIR_OVERHEAD_BYTES <= count, `${bytes} bytes of ${count}`);
        assert.equal(eof, false);
      }
    });

    test('keeps READDIRPLUS below maxcount bytes, and about dircount of names', async (client) => {
      const dir = await client.walk('many');
      for (const [dircount, maxcount] of [
        [65_536, 1000],
        [65_536, 16_384],
        [500, 65_536],
      ] as const) {
        const args = { dir, cookie: 0n, cookieverf: 0n, dircount, maxcount };
        const { entries, eof } = ok(await client.service.readdirplus(args, client.ctx));
        const bytes = entries.reduce((sum, entry) => sum + dirEntryPlusBytes(entry), 0);
        assert.ok(bytes + READDIR_OVERHEAD_BYTES <= maxcount, `${bytes} bytes of ${maxcount}`);
        const names = entries.reduce((sum, { name }) => sum + dirEntryBytes(name), 0);
        assert.ok(names <= dircount, `${names} bytes of names, of ${dircount}`);
        assert.equal(eof, false);
      }
    });

    test('answers TOOSMALL when not one entry fits', async ({ service, root: dir, ctx }) => {
      const start = { dir, cookie: 0n, cookieverf: 0n };
      refused(await service.readdir({ ...start, count: 20 }, ctx), 'TOOSMALL');
      const plus = { ...start, dircount: 20, maxcount: 20 };
      refused(await service.readdirplus(plus, ctx), 'TOOSMALL');
    });

    test('READDIRPLUS tells handles and attributes as LOOKUP and GETATTR do', async (client) => {
      for (const path of ['', 'dir', 'names']) {
        const dir = await client.walk(path);
        for (const { name, nameHandle, nameAttributes, fileid } of await client.readdirplus(dir)) {
          if (name === '.' || name === '..') continue;
          const handle = await client.lookup(dir, name);
          if (nameHandle !== undefined) assert.deepEqual(nameHandle, handle, name);
          if (nameAttributes === undefined) continue;
          assert.deepEqual(nameAttributes, await client.attributes(handle), name);
          assert.equal(nameAttributes.fileid, fileid);
        }
      }
    });

    test('READDIRPLUS lists several hundred names in small answers', async (client) => {
      const entries = await client.readdirplus(await client.walk('many'), 2048);
      const names = entries.map(({ name }) => name).filter((name) => !name.startsWith('.'));
      assert.deepEqual(names.sort(), manyNames());
    });

    test('answers NOTDIR for a file', async ({ service, root, ctx }) => {
      const dir = ok(await service.lookup({ what: { dir: root, name: 'hello.txt' } }, ctx)).object;
      const start = { dir, cookie: 0n, cookieverf: 0n };
      refused(await service.readdir({ ...start, count: 4096 }, ctx), 'NOTDIR');
      const plus = { ...start, dircount: 4096, maxcount: 4096 };
      refused(await service.readdirplus(plus, ctx), 'NOTDIR');
    });

    test('may answer BAD_COOKIE for a verifier it never gave, but no nonsense', async (client) => {
      const dir = await client.walk('many');
      const args = { dir, cookie: 12_345n, cookieverf: 0xdead_beefn, count: 4096 };
      const result = await client.service.readdir(args, client.ctx);
      if (result.status !== 0) refused(result, 'BAD_COOKIE');
      else for (const { name } of result.entries) assert.ok(manyNames().includes(name), name);
    });
  },
};
