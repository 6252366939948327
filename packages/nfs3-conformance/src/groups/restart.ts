import assert from 'node:assert/strict';
import { StableHow } from '@rowfs/nfs3';
import { Client, ok, present, refused } from '../client.ts';
import { binaryContent, ODD_NAMES } from '../sample.ts';
import type { Group } from '../group.ts';

export const restart: Group = {
  name: 'after a restart',
  needs: 'restartable',
  register(test) {
    test('handles lead where they led', async (client, subject) => {
      const paths = ['', 'dir', 'dir/nested', 'dir/nested/file.bin', 'link', 'hello.txt'];
      const before = await Promise.all(
        paths.map(async (path) => {
          const handle = await client.walk(path);
          return { path, handle, fileid: (await client.attributes(handle)).fileid };
        }),
      );
      const names = await client.walk('names');
      const odd = await Promise.all(ODD_NAMES.map((name) => client.lookup(names, name)));
      const again = new Client(await subject.restart(), client.root);
      for (const { path, handle, fileid } of before.reverse()) {
        assert.equal((await again.attributes(handle)).fileid, fileid, path);
        assert.deepEqual(await again.walk(path), handle, path);
      }
      for (const [i, handle] of odd.entries()) {
        assert.equal((await again.read(handle)).toString(), ODD_NAMES[i]);
      }
      const file = await again.walk('dir/nested/file.bin');
      assert.ok((await again.readAll(file)).equals(binaryContent()));
    });

    test('a listing goes on at its cookie', async (client, subject) => {
      // The restart of the case before ended the service that the client was given.
      const first = new Client(await subject.restart(), client.root);
      const dir = await first.walk('many');
      const all = await first.readdir(dir);
      const start = { dir, cookie: 0n, cookieverf: 0n, count: 4096 };
      const page = ok(await first.service.readdir(start, first.ctx));
      const { cookie } = present(page.entries.at(-1));
      const { cookieverf } = page;
      const again = new Client(await subject.restart(), client.root);
      const next = ok(
        await again.service.readdir({ dir, cookie, cookieverf, count: 4096 }, again.ctx),
      );
      assert.equal(next.entries[0]?.name, all[page.entries.length]?.name);
    });
  },
};

export const restartWritable: Group = {
  name: 'writes after a restart',
  needs: 'writable and restartable',
  register(test) {
    test('are there, with a new verifier for those that were not', async (client, subject) => {
      const dir = await client.freshDirectory();
      const file = await client.file(dir, 'file', 'stable');
      const sample = await client.walk('hello.txt');
      await client.write(sample, 0, 'HELLO');
      const commit = { file, offset: 0, count: 0 };
      const { verf } = ok(await client.service.commit(commit, client.ctx));
      const gone = await client.file(dir, 'gone', '');
      ok(await client.service.remove({ object: { dir, name: 'gone' } }, client.ctx));
      ok(
        await client.service.rename(
          { from: { dir: client.root, name: 'dir' }, to: { dir, name: 'moved' } },
          client.ctx,
        ),
      );
      const moved = await client.lookup(dir, 'moved');
      const nested = await client.lookup(moved, 'nested');

      const again = new Client(await subject.restart(), client.root);
      assert.equal((await again.read(file)).toString(), 'stable');
      assert.equal((await again.read(sample)).toString(), 'HELLO, world\n');
      assert.deepEqual(await again.names(dir), ['file', 'moved']);
      assert.deepEqual(await again.names(nested), ['file.bin']);
      assert.equal(await again.exists(again.root, 'dir'), false);
      refused(await again.service.getattr({ object: gone }, again.ctx), 'STALE');
      const data = [Buffer.from('x')];
      const write = { file, offset: 0, count: 1, stable: StableHow.UNSTABLE, data };
      assert.notEqual(ok(await again.service.write(write, again.ctx)).verf, verf);
    });

    test('EXCLUSIVE knows its verifier', async (client, subject) => {
      const first = new Client(await subject.restart(), client.root);
      const dir = await first.freshDirectory();
      const where = { dir, name: 'exclusive' };
      const how = { mode: 'exclusive', verf: 0x0102_0304_0506_0708n } as const;
      const made = ok(await first.service.create({ where, how }, first.ctx));
      const again = new Client(await subject.restart(), client.root);
      const repeated = ok(await again.service.create({ where, how }, again.ctx));
      assert.deepEqual(repeated.obj, made.obj);
      const other = { mode: 'exclusive', verf: 1n } as const;
      refused(await again.service.create({ where, how: other }, again.ctx), 'EXIST');
    });
  },
};
