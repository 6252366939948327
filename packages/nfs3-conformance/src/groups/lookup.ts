import assert from 'node:assert/strict';
import { NAME_MAX } from '@rowfs/nfs3';
import { ok, refused } from '../client.ts';
import { ODD_NAMES } from '../sample.ts';
import type { Group } from '../group.ts';

export const lookup: Group = {
  name: 'LOOKUP (3.3.3)',
  needs: 'nothing',
  register(test) {
    test('finds a name, with attributes that GETATTR confirms', async (client) => {
      const { service, root, ctx } = client;
      const found = ok(await service.lookup({ what: { dir: root, name: 'hello.txt' } }, ctx));
      if (found.objAttributes !== undefined) {
        assert.deepEqual(await client.attributes(found.object), found.objAttributes);
      }
    });

    test('gives the same handle each time', async (client) => {
      assert.deepEqual(await client.walk('dir/nested'), await client.walk('dir/nested'));
    });

    test('answers NOENT for a name that is not there', async ({ service, root, ctx }) => {
      refused(await service.lookup({ what: { dir: root, name: 'missing' } }, ctx), 'NOENT');
    });

    test('answers NOTDIR below a file and below a symbolic link', async (client) => {
      for (const path of ['hello.txt', 'link', 'outside']) {
        const dir = await client.walk(path);
        const result = await client.service.lookup({ what: { dir, name: 'x' } }, client.ctx);
        refused(result, 'NOTDIR');
      }
    });

    test('knows . and ..', async (client) => {
      const { fileid } = await client.attributes(await client.walk('dir'));
      const dot = await client.walk('dir/.');
      const dotdot = await client.walk('dir/nested/..');
      assert.equal((await client.attributes(dot)).fileid, fileid);
      assert.equal((await client.attributes(dotdot)).fileid, fileid);
    });

    test('has a way from .. of a directory down again', async (client) => {
      const hello = await client.walk('dir/../hello.txt');
      assert.equal((await client.read(hello)).toString(), 'hello, world\n');
    });

    test('answers NAMETOOLONG for a name that no file system takes', async (client) => {
      const what = { dir: client.root, name: 'x'.repeat(NAME_MAX + 1) };
      refused(await client.service.lookup({ what }, client.ctx), 'NAMETOOLONG');
    });

    for (const name of ['a/b', 'dir/nested', '/', '', '../..', 'hello.txt\0']) {
      test(`refuses ${JSON.stringify(name)}, which is no name`, async ({ service, root, ctx }) => {
        const result = await service.lookup({ what: { dir: root, name } }, ctx);
        refused(result, 'ACCES', 'INVAL', 'NOENT');
      });
    }

    for (const name of ODD_NAMES) {
      test(`finds ${JSON.stringify(name.slice(0, 20))}, byte for byte`, async (client) => {
        const file = await client.lookup(await client.walk('names'), name);
        assert.equal((await client.read(file)).toString('utf8'), name);
      });
    }
  },
};
