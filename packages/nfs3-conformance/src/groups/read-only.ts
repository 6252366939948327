import assert from 'node:assert/strict';
import { Access3, Ftype3, StableHow } from '@rowfs/nfs3';
import { ok, refused, sattr } from '../client.ts';
import type { Group } from '../group.ts';

export const readOnly: Group = {
  name: 'a read-only tree',
  needs: 'read-only',
  register(test) {
    test('answers ROFS to everything that would change it', async (client) => {
      const { service, root, ctx } = client;
      const file = await client.walk('hello.txt');
      const where = { dir: root, name: 'new' };
      const attributes = sattr({ mode: 0o644 });
      const data = [Buffer.from('x')];
      const stable = StableHow.FILE_SYNC;
      const how = { mode: 'unchecked', objAttributes: attributes } as const;
      const what = { type: Ftype3.FIFO, attributes };
      const existing = { dir: root, name: 'hello.txt' };
      const change = { object: file, newAttributes: attributes, guard: undefined };
      refused(await service.setattr(change, ctx), 'ROFS');
      refused(await service.write({ file, offset: 0, count: 1, stable, data }, ctx), 'ROFS');
      refused(await service.create({ where, how }, ctx), 'ROFS');
      refused(await service.mkdir({ where, attributes }, ctx), 'ROFS');
      const link = { where, symlinkAttributes: attributes, symlinkData: 'x' };
      refused(await service.symlink(link, ctx), 'ROFS');
      refused(await service.mknod({ where, what }, ctx), 'ROFS');
      refused(await service.remove({ object: existing }, ctx), 'ROFS');
      refused(await service.rmdir({ object: { dir: root, name: 'dir' } }, ctx), 'ROFS');
      refused(await service.rename({ from: existing, to: where }, ctx), 'ROFS');
      refused(await service.link({ file, link: where }, ctx), 'ROFS');
      assert.equal((await client.read(file)).toString(), 'hello, world\n');
      assert.equal(await client.exists(root, 'new'), false);
    });

    test('grants no write access, not even to root', async (client) => {
      const writing = Access3.MODIFY | Access3.EXTEND | Access3.DELETE;
      for (const path of ['', 'hello.txt']) {
        const object = await client.walk(path);
        const { access } = ok(await client.service.access({ object, access: 0x3f }, client.ctx));
        assert.equal(access & writing, 0, path);
      }
    });
  },
};
