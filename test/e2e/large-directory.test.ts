/**
 * A directory of 100,000 entries, listed through the whole stack while it changes, and over a restart
 * of the proxy: what stays is listed exactly once, whatever comes and goes.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import {
  createLocalDirectory,
  type DirEntry,
  type Filehandle,
  listenNfs3,
  stack,
  statistics,
} from '@rowfs/nfs3';
import { Client, ok, refused } from '@rowfs/nfs3-conformance';
import { ProxiedTree } from '../model/proxied-tree.ts';

const ENTRIES = 100_000;
/** Changed in the course of one listing, at as many moments. */
const CHANGES = 40;
const PAGE_BYTES = 32 * 1024;

const nameOf = (index: number): string => `entry-${index.toString(36)}-${'x'.repeat(index % 40)}`;

interface LargeDirectory {
  readonly tree: ProxiedTree;
  readonly client: Client;
  readonly dir: Filehandle;
  /** Pages of directories that the image server was asked for. */
  readonly pagesBelow: () => number;
}

async function largeDirectory(t: TestContext): Promise<LargeDirectory> {
  const root = await mkdtemp(join(tmpdir(), 'rowfs-large-'));
  const image = join(root, 'image');
  mkdirSync(join(image, 'large'), { recursive: true });
  for (let i = 0; i < ENTRIES; i += 1) writeFileSync(join(image, 'large', nameOf(i)), '');
  const server = await createLocalDirectory({ root: image, access: 'read-only' });
  const calls = statistics();
  const listener = await listenNfs3({ service: stack(server, calls.layer) });
  const tree = await ProxiedTree.open(listener.port, root, {});
  t.after(async () => {
    await tree.close();
    await listener.close();
    await server.close();
    await rm(root, { recursive: true });
  });
  const client = new Client(tree.client, tree.root);
  const dir = await client.walk('large');
  return {
    tree,
    client,
    dir,
    pagesBelow: () => {
      const { readdir, readdirplus } = calls.snapshot();
      return readdir.calls + readdirplus.calls;
    },
  };
}

/** Lists page by page; `between` comes after each page but the last. */
async function list(
  client: Client,
  dir: Filehandle,
  plus: boolean,
  between: (page: number) => Promise<void>,
): Promise<string[]> {
  const { service, ctx } = client;
  const names: string[] = [];
  for (let cookie = 0n, cookieverf = 0n, page = 0; ; page += 1) {
    const at = { dir, cookie, cookieverf };
    const result = plus
      ? ok(await service.readdirplus({ ...at, dircount: PAGE_BYTES, maxcount: PAGE_BYTES }, ctx))
      : ok(await service.readdir({ ...at, count: PAGE_BYTES }, ctx));
    const entries: readonly DirEntry[] = result.entries;
    for (const { name } of entries) names.push(name);
    if (result.eof) return names.filter((name) => name !== '.' && name !== '..');
    cookie = entries.at(-1)?.cookie ?? cookie;
    ({ cookieverf } = result);
    await between(page);
  }
}

function assertOnceEach(names: readonly string[], staying: (index: number) => boolean): void {
  const seen = new Set(names);
  assert.equal(seen.size, names.length, 'an entry is listed twice');
  for (let i = 0; i < ENTRIES; i += 1) {
    if (staying(i)) assert.ok(seen.has(nameOf(i)), `${nameOf(i)} stays, and is not listed`);
  }
}

test(`a directory with ${ENTRIES} entries, listed while it changes`, async (t) => {
  const { tree, client, dir, pagesBelow } = await largeDirectory(t);
  const { service, ctx } = client;
  const changed = new Set<number>();
  const staying = (index: number): boolean => !changed.has(index);

  await t.test('is read from the image once, however many pages are asked for', async () => {
    assertOnceEach(await list(client, dir, true, async () => undefined), () => true);
    const pages = pagesBelow();
    assertOnceEach(await list(client, dir, false, async () => undefined), () => true);
    assert.equal(pagesBelow(), pages);
  });

  for (const plus of [false, true]) {
    await t.test(`by ${plus ? 'READDIRPLUS' : 'READDIR'}: what stays is listed once`, async () => {
      let round = 0;
      const names = await list(client, dir, plus, async (page) => {
        if (round >= CHANGES) return;
        round += 1;
        const index = (page * 7919 + (plus ? 31 : 0)) % (ENTRIES - 3);
        for (const each of [index, index + 1]) changed.add(each);
        await service.remove({ object: { dir, name: nameOf(index) } }, ctx);
        const from = { dir, name: nameOf(index + 1) };
        await service.rename({ from, to: { dir, name: `moved-${page}-${String(plus)}` } }, ctx);
        await client.file(dir, `new-${page}-${String(plus)}`, '');
      });
      assert.equal(round, CHANGES);
      assertOnceEach(names, staying);
    });
  }

  await t.test('goes on at its cookie after a restart of the proxy', async () => {
    const names = await list(client, dir, false, async (page) => {
      if (page === 20) await tree.restart();
    });
    assertOnceEach(names, staying);
    const gone = [...changed].filter((index) => names.includes(nameOf(index)));
    assert.deepEqual(gone, []);
  });

  await t.test('is not empty, and is moved as it is', async () => {
    const at = { dir: client.root, name: 'large' };
    refused(await service.rmdir({ object: at }, ctx), 'NOTEMPTY');
    const pages = pagesBelow();
    ok(await service.rename({ from: at, to: { dir: client.root, name: 'moved' } }, ctx));
    assert.equal(pagesBelow(), pages);
    assert.deepEqual(await client.walk('moved'), dir);
  });
});
