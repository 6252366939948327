import assert from 'node:assert/strict';
import { Ftype3, Mountstat3, NAME_MAX } from '@rowfs/nfs3';
import { ok } from '../client.ts';
import type { Group } from '../group.ts';

export const fileSystem: Group = {
  name: 'NULL (3.3.0), FSSTAT (3.3.18), FSINFO (3.3.19), PATHCONF (3.3.20) and MNT',
  needs: 'nothing',
  register(test) {
    test('NULL answers', async ({ service, ctx }) => {
      await assert.doesNotReject(service.null(ctx));
    });

    test('FSSTAT tells sizes that agree with each other', async ({ service, root, ctx }) => {
      const stat = ok(await service.fsstat({ fsroot: root }, ctx));
      assert.ok(stat.tbytes > 0n);
      assert.ok(stat.fbytes <= stat.tbytes && stat.abytes <= stat.fbytes);
      assert.ok(stat.ffiles <= stat.tfiles && stat.afiles <= stat.ffiles);
    });

    test('FSINFO tells transfer sizes that READ keeps', async (client) => {
      const info = ok(await client.service.fsinfo({ fsroot: client.root }, client.ctx));
      assert.ok(info.rtpref <= info.rtmax && info.wtpref <= info.wtmax);
      assert.ok(info.rtmax >= 4096 && info.dtpref >= 512);
      assert.ok(info.maxfilesize >= 1n << 31n);
      const file = await client.walk('dir/nested/file.bin');
      const bytes = await client.read(file, 0, info.rtmax);
      assert.ok(bytes.length <= info.rtmax);
    });

    test('PATHCONF tells the limits of names', async ({ service, root, ctx }) => {
      const conf = ok(await service.pathconf({ object: root }, ctx));
      assert.equal(conf.nameMax, NAME_MAX);
      assert.equal(conf.caseInsensitive, false);
      assert.equal(conf.casePreserving, true);
    });

    test('MNT gives the handle of a subdirectory too', async ({ service, root, ctx }, subject) => {
      const below = `${subject.mountPath.replace(/\/$/, '')}/dir/nested`;
      const mounted = await service.mount(below, ctx);
      assert.ok(mounted.status === Mountstat3.OK);
      const { attributes } = ok(await service.getattr({ object: mounted.handle }, ctx));
      assert.equal(attributes.type, Ftype3.DIR);
      assert.notDeepEqual(mounted.handle, root);
    });

    test('MNT refuses what is not there, and what is no directory', async ({
      service,
      ctx,
    }, subject) => {
      const base = subject.mountPath.replace(/\/$/, '');
      const missing = await service.mount(`${base}/missing`, ctx);
      assert.ok([Mountstat3.NOENT, Mountstat3.ACCES].some((status) => status === missing.status));
      const file = await service.mount(`${base}/hello.txt`, ctx);
      assert.ok([Mountstat3.NOTDIR, Mountstat3.ACCES].some((status) => status === file.status));
    });
  },
};
