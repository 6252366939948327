import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ok, refused } from '@rowfs/nfs3-conformance';
import { Corner } from '../../test-support/row/corner.ts';

/** Several pages each; test/e2e/large-directory.test.ts does it with 100,000. */
const ENTRIES = 2000;
const PAGE_BYTES = 8192;

const nameOf = (index: number): string => `entry-${index}`;

async function populate(image: string): Promise<void> {
  await mkdir(join(image, 'large'));
  for (let i = 0; i < ENTRIES; i += 1) await writeFile(join(image, 'large', nameOf(i)), '');
}

function pagesBelow(corner: Corner): number {
  return corner.callsBelow('readdir') + corner.callsBelow('readdirplus');
}

test('large directories: what stays while they change is listed once', async (t) => {
  const corner = await Corner.open(t, populate);
  const dir = await corner.client.walk('large');
  const names: string[] = [];
  const changed = new Set<string>();
  for (let cookie = 0n, page = 0, eof = false; !eof; page += 1) {
    const { client } = corner;
    const at = { dir, cookie, cookieverf: 0n };
    const result = ok(await client.service.readdir({ ...at, count: PAGE_BYTES }, client.ctx));
    names.push(...result.entries.map(({ name }) => name));
    cookie = result.entries.at(-1)?.cookie ?? cookie;
    ({ eof } = result);
    for (const index of [page * 97, page * 97 + 1]) changed.add(nameOf(index));
    ok(await client.service.remove({ object: { dir, name: nameOf(page * 97) } }, client.ctx));
    const from = { dir, name: nameOf(page * 97 + 1) };
    ok(await client.service.rename({ from, to: { dir, name: `moved-${page}` } }, client.ctx));
    await client.file(dir, `new-${page}`, '');
    if (page === 3) await corner.restart();
  }
  assert.equal(new Set(names).size, names.length, 'an entry is listed twice');
  const listed = new Set(names);
  for (let i = 0; i < ENTRIES; i += 1) {
    const name = nameOf(i);
    if (!changed.has(name)) assert.ok(listed.has(name), `${name} stays, and is not listed`);
  }
});

test('large directories are read from the image once, for all who ask', async (t) => {
  const alone = await Corner.open(t, populate);
  await alone.client.readdir(await alone.client.walk('large'), PAGE_BYTES);
  const once = pagesBelow(alone);
  assert.ok(once > 1);

  const corner = await Corner.open(t, populate);
  const { client } = corner;
  const dir = await client.walk('large');
  const lists = Array.from({ length: 3 }, () => client.readdir(dir, PAGE_BYTES));
  for (const entries of await Promise.all(lists)) assert.equal(entries.length, ENTRIES + 2);
  assert.equal(pagesBelow(corner), once);
});

test('large directories go on being read when the client that asked has gone', async (t) => {
  const corner = await Corner.open(t, populate);
  const { client } = corner;
  const dir = await client.walk('large');
  const gone = new AbortController();
  const ctx = { ...client.ctx, signal: gone.signal };
  const given = client.service.readdir({ dir, cookie: 0n, cookieverf: 0n, count: 4096 }, ctx);
  const again = client.readdir(dir, PAGE_BYTES);
  gone.abort();
  assert.equal((await again).length, ENTRIES + 2);
  await given.catch(() => undefined);
});

test('large directories: emptied one by one they can be removed, and not before', async (t) => {
  const corner = await Corner.open(t, populate);
  const { service, root, ctx } = corner.client;
  const dir = await corner.client.walk('large');
  const object = { dir: root, name: 'large' };
  const indexes = Array.from({ length: ENTRIES - 1 }, (_, i) => i);
  await Promise.all(
    indexes.map(async (i) => ok(await service.remove({ object: { dir, name: nameOf(i) } }, ctx))),
  );
  refused(await service.rmdir({ object }, ctx), 'NOTEMPTY');
  assert.deepEqual(await corner.client.names(dir), [nameOf(ENTRIES - 1)]);
  ok(await service.remove({ object: { dir, name: nameOf(ENTRIES - 1) } }, ctx));
  ok(await service.rmdir({ object }, ctx));
  await corner.restart();
  assert.equal(await corner.client.exists(root, 'large'), false);
});
