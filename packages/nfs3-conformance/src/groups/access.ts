import assert from 'node:assert/strict';
import { Access3, type Filehandle } from '@rowfs/nfs3';
import { type Client, ok, refused } from '../client.ts';
import type { Group } from '../group.ts';

const ALL = 0x3f;

async function granted(client: Client, object: Filehandle, access: number = ALL): Promise<number> {
  return ok(await client.service.access({ object, access }, client.ctx)).access;
}

export const access: Group = {
  name: 'ACCESS (3.3.4)',
  needs: 'nothing',
  register(test) {
    test('grants reading of a public file to everybody', async (client) => {
      const bits = await granted(client.as(4242, 4242), await client.walk('hello.txt'));
      assert.equal(bits & (Access3.READ | Access3.MODIFY | Access3.EXECUTE), Access3.READ);
    });

    test('grants nothing of a private file to another user', async (client) => {
      const bits = await granted(client.as(4242, 4242), await client.walk('private'));
      assert.equal(bits, 0);
    });

    test('grants LOOKUP of a directory and EXECUTE of a program', async (client) => {
      assert.ok((await granted(client, await client.walk('dir'))) & Access3.LOOKUP);
      assert.ok((await granted(client, await client.walk('script'))) & Access3.EXECUTE);
      assert.equal((await granted(client, await client.walk('hello.txt'))) & Access3.EXECUTE, 0);
    });

    test('grants nothing that was not asked', async (client) => {
      const dir = await client.walk('dir');
      assert.equal(await granted(client, dir, Access3.READ), Access3.READ);
      assert.equal(await granted(client, dir, 0), 0);
    });

    test('means it: READ of what is not granted is ACCES', async (client) => {
      const other = client.as(4242, 4242);
      const file = await client.walk('private');
      refused(await other.service.read({ file, offset: 0, count: 10 }, other.ctx), 'ACCES');
    });
  },
};
