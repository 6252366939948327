import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ftype3, StableHow } from '@rowfs/nfs3';
import { ok, refused, sattr } from '@rowfs/nfs3-conformance';
import { Corner } from '../../test-support/row/corner.ts';

const attributes = sattr({ mode: 0o640 });
const spec = { specdata1: 4095, specdata2: 1_048_575 };
const NO_DEVICE = { specdata1: 0, specdata2: 0 };

const KINDS = {
  fifo: { type: Ftype3.FIFO, attributes },
  socket: { type: Ftype3.SOCK, attributes },
  'character device': { type: Ftype3.CHR, attributes, spec },
  'block device': { type: Ftype3.BLK, attributes, spec },
} as const;

for (const [kind, what] of Object.entries(KINDS)) {
  test(`sockets, fifos, devices: a ${kind} keeps type and numbers, has links, and no data`, async (t) => {
    const corner = await Corner.open(t);
    const { service, root: dir, ctx } = corner.client;
    const file = ok(await service.mknod({ where: { dir, name: 'node' }, what }, ctx)).obj;
    assert.ok(file !== undefined);
    ok(await service.link({ file, link: { dir, name: 'second' } }, ctx));
    await corner.restart();
    const { client } = corner;
    const { type, mode, nlink, rdev } = await client.attributes(await client.walk('second'));
    assert.deepEqual([type, mode, nlink], [what.type, 0o640, 2]);
    assert.deepEqual(rdev, 'spec' in what ? spec : NO_DEVICE);
    const data = [Buffer.from('x')];
    const stable = StableHow.FILE_SYNC;
    for (const refusal of [
      await client.service.read({ file, offset: 0, count: 1 }, ctx),
      await client.service.write({ file, offset: 0, count: 1, stable, data }, ctx),
      await client.service.commit({ file, offset: 0, count: 0 }, ctx),
      await client.service.readlink({ symlink: file }, ctx),
    ]) {
      refused(refusal, 'INVAL');
    }
  });
}

test('sockets, fifos, devices: everybody makes fifos and sockets, only root devices', async (t) => {
  const { client } = await Corner.open(t);
  const dir = await client.freshDirectory(0o777);
  const { service, ctx } = client.as(1000, 1000);
  for (const [name, what] of Object.entries(KINDS)) {
    const made = await service.mknod({ where: { dir, name }, what }, ctx);
    if ('spec' in what) refused(made, 'PERM');
    else {
      ok(made);
      assert.equal((await client.attributes(await client.lookup(dir, name))).uid, 1000);
    }
  }
});

test('symbolic links: a mode that is set is not theirs, as on Linux', async (t) => {
  const corner = await Corner.open(t);
  const { service, root: dir, ctx } = corner.client;
  const symlink = { symlinkAttributes: sattr({}), symlinkData: 'to' };
  const made = ok(await service.symlink({ where: { dir, name: 'link' }, ...symlink }, ctx)).obj;
  assert.ok(made !== undefined);
  const newAttributes = sattr({ mode: 0o100, uid: 7 });
  ok(await service.setattr({ object: made, newAttributes, guard: undefined }, ctx));
  const { mode, uid } = await corner.client.attributes(made);
  assert.deepEqual([mode, uid], [0o777, 7]);
});
