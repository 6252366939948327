import assert from 'node:assert/strict';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Fattr3, type Filehandle, type Nfstime3 } from '@rowfs/nfs3';
import { ok, refused, sattr } from '@rowfs/nfs3-conformance';
import { Corner } from '../../test-support/row/corner.ts';

/** 2100: an image whose times are ahead of this machine's clock. */
const FUTURE = 4_102_444_800;

async function populate(image: string): Promise<void> {
  await mkdir(join(image, 'directory/below'), { recursive: true });
  await writeFile(join(image, 'file'), 'content');
  await utimes(join(image, 'file'), FUTURE, FUTURE);
}

function nanoseconds({ seconds, nseconds }: Nfstime3): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(nseconds);
}

test('setattr with guard changes what has this ctime, and nothing else', async (t) => {
  const { client } = await Corner.open(t, populate);
  const { service, ctx } = client;
  const object = await client.walk('file');
  const { ctime: guard } = await client.attributes(object);
  const newAttributes = sattr({ mode: 0o600, size: 3 });
  const other = { ...guard, nseconds: guard.nseconds ^ 1 };
  refused(await service.setattr({ object, newAttributes, guard: other }, ctx), 'NOT_SYNC');
  assert.equal((await client.read(object)).toString(), 'content');
  ok(await service.setattr({ object, newAttributes, guard }, ctx));
  // The same guard a second time: the ctime has moved on.
  refused(await service.setattr({ object, newAttributes, guard }, ctx), 'NOT_SYNC');
  const { mode, size } = await client.attributes(object);
  assert.deepEqual([mode, size], [0o600, 3]);
});

test('ctime never goes back, and moves at each change; mtime at each change of data', async (t) => {
  const corner = await Corner.open(t, populate);
  const object = await corner.client.walk('file');
  const set = async (attributes: Parameters<typeof sattr>[0]): Promise<void> => {
    const { service, ctx } = corner.client;
    const newAttributes = sattr(attributes);
    ok(await service.setattr({ object, newAttributes, guard: undefined }, ctx));
  };
  const link = async (name: string): Promise<void> => {
    const { service, root: dir, ctx } = corner.client;
    ok(await service.link({ file: object, link: { dir, name } }, ctx));
  };
  const changes: readonly (readonly [string, changesData: boolean, () => Promise<void>])[] = [
    ['write', true, () => corner.client.write(object, 0, 'C')],
    ['chmod', false, () => set({ mode: 0o600 })],
    ['link', false, () => link('second')],
    ['truncate', true, () => set({ size: 2 })],
    ['write again', true, () => corner.client.write(object, 0, 'D')],
    ['chown', false, () => set({ uid: 7 })],
  ];
  for (const [what, changesData, change] of changes) {
    const before = await corner.client.attributes(object);
    await change();
    const after = await corner.client.attributes(object);
    assert.ok(nanoseconds(after.ctime) > nanoseconds(before.ctime), `ctime at ${what}`);
    assert.equal(nanoseconds(after.mtime) !== nanoseconds(before.mtime), changesData, what);
    await corner.restart();
    assert.deepEqual(await corner.client.attributes(object), after, `restart after ${what}`);
  }
});

test('link counts: of files their names, of directories their subdirectories', async (t) => {
  const { client } = await Corner.open(t, populate);
  const { service, root: dir, ctx } = client;
  const counts = async (...objects: Filehandle[]): Promise<number[]> =>
    (await Promise.all(objects.map((object) => client.attributes(object)))).map(
      ({ nlink }: Fattr3) => nlink,
    );
  const [directory, file] = [await client.walk('directory'), await client.walk('file')];
  const [rootLinks = 0] = await counts(client.root);
  assert.deepEqual(await counts(directory, file), [3, 1]);
  ok(await service.link({ file, link: { dir: directory, name: 'second' } }, ctx));
  await client.mkdir(directory, 'new');
  assert.deepEqual(await counts(directory, file, client.root), [4, 2, rootLinks]);
  const to = { dir, name: 'moved' };
  ok(await service.rename({ from: { dir: directory, name: 'below' }, to }, ctx));
  assert.deepEqual(await counts(directory, client.root), [3, rootLinks + 1]);
  // Over another directory: one goes, one comes.
  ok(await service.rename({ from: { dir: directory, name: 'new' }, to }, ctx));
  assert.deepEqual(await counts(directory, client.root), [2, rootLinks + 1]);
  ok(await service.rmdir({ object: to }, ctx));
  ok(await service.remove({ object: { dir, name: 'file' } }, ctx));
  assert.deepEqual(await counts(client.root, file), [rootLinks, 1]);
});
