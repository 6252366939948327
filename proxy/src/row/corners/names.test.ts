import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { ok, refused, sattr } from '@rowfs/nfs3-conformance';
import { Corner } from '../../test-support/row/corner.ts';

/** One character per byte. */
const NAMES = [
  'n'.repeat(255),
  '\xff'.repeat(255),
  '\xff\xfe no utf-8 \x80',
  // The two ways to write one letter are two names, and so are upper and lower case.
  'u\xcc\x88',
  '\xc3\xbc',
  'A',
  'a',
  ' ',
  'new\nline',
  '...',
  '-rf',
  '*',
];

/** Under each name a directory with a file of the same name. */
async function populate(image: string): Promise<void> {
  for (const name of NAMES) {
    const directory = Buffer.from(`${image}/${name}`, 'latin1');
    await mkdir(directory);
    await writeFile(Buffer.from(`${image}/${name}/${name}`, 'latin1'), name, 'latin1');
  }
}

test('names of 255 bytes and bytes that are not UTF-8: of the image, and moved', async (t) => {
  const corner = await Corner.open(t, populate);
  const { service, root, ctx } = corner.client;
  for (const name of NAMES) {
    const dir = await corner.client.lookup(root, name);
    const file = await corner.client.lookup(dir, name);
    assert.equal((await corner.client.read(file)).toString('latin1'), name);
    const to = { dir, name: `${name.slice(0, 254)}~` };
    ok(await service.rename({ from: { dir, name }, to }, ctx));
    assert.deepEqual(await corner.client.names(dir), [to.name]);
  }
  await corner.restart();
  assert.deepEqual(await corner.client.names(corner.client.root), [...NAMES].sort());
});

test('names of 255 bytes and bytes that are not UTF-8: made here, and removed', async (t) => {
  const corner = await Corner.open(t);
  for (const name of NAMES) await corner.client.file(corner.client.root, name, name);
  assert.deepEqual(await corner.client.names(corner.client.root), [...NAMES].sort());
  await corner.restart();
  const { client } = corner;
  assert.deepEqual(await client.names(client.root), [...NAMES].sort());
  for (const name of NAMES) {
    ok(await client.service.remove({ object: { dir: client.root, name } }, client.ctx));
  }
  assert.deepEqual(await client.names(client.root), []);
});

test('names of 256 bytes are NAMETOOLONG in every procedure that takes one', async (t) => {
  const { client } = await Corner.open(t);
  const { service, root: dir, ctx } = client;
  const file = await client.file(dir, 'file', '');
  const where = { dir, name: 'n'.repeat(256) };
  const how = { mode: 'guarded', objAttributes: sattr({}) } as const;
  const short = { dir, name: 'file' };
  for (const result of [
    await service.lookup({ what: where }, ctx),
    await service.create({ where, how }, ctx),
    await service.mkdir({ where, attributes: sattr({}) }, ctx),
    await service.symlink({ where, symlinkAttributes: sattr({}), symlinkData: 'x' }, ctx),
    await service.remove({ object: where }, ctx),
    await service.rmdir({ object: where }, ctx),
    await service.rename({ from: short, to: where }, ctx),
    await service.rename({ from: where, to: short }, ctx),
    await service.link({ file, link: where }, ctx),
  ]) {
    refused(result, 'NAMETOOLONG');
  }
});
