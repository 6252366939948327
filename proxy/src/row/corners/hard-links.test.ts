import assert from 'node:assert/strict';
import { link, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ok } from '@rowfs/nfs3-conformance';
import { Corner } from '../../test-support/row/corner.ts';

async function twoNames(image: string): Promise<void> {
  await writeFile(join(image, 'first'), 'of the image');
  await link(join(image, 'first'), join(image, 'second'));
}

test('hard links of the image: data follows the file, not the path', async (t) => {
  const corner = await Corner.open(t, twoNames);
  const { client } = corner;
  await client.write(await client.walk('first'), 7, 'overlay');
  const second = await client.walk('second');
  assert.equal((await client.read(second)).toString(), 'of the overlay');
  assert.equal((await client.attributes(second)).nlink, 2);
  await corner.restart();
  assert.equal((await corner.client.read(second)).toString(), 'of the overlay');
});

test('hard links of the image: the last name that goes takes the data', async (t) => {
  const { client } = await Corner.open(t, twoNames);
  const { service, root: dir, ctx } = client;
  const file = await client.walk('first');
  ok(await service.remove({ object: { dir, name: 'first' } }, ctx));
  assert.equal((await client.attributes(file)).nlink, 1);
  assert.equal((await client.read(await client.walk('second'))).toString(), 'of the image');
  // A new file of the old name has nothing to do with it.
  await client.file(dir, 'first', 'another');
  assert.equal((await client.read(file)).toString(), 'of the image');
});

test('hard links to files of the image: a new name is of the same file', async (t) => {
  const { client } = await Corner.open(t, twoNames);
  const { service, root: dir, ctx } = client;
  const file = await client.walk('first');
  ok(await service.link({ file, link: { dir, name: 'third' } }, ctx));
  await client.write(file, 0, 'BY');
  assert.equal((await client.attributes(file)).nlink, 3);
  for (const name of ['first', 'second', 'third']) {
    assert.equal((await client.read(await client.walk(name))).toString(), 'BY the image');
  }
});
