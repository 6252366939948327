import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { DirEntryPlus, Filehandle } from '@rowfs/nfs3';
import { Client, ok, sattr } from '@rowfs/nfs3-conformance';
import { makeImage, Overlaid } from '../test-support/row/overlaid.ts';

/** Over an image with `dir/c`, `dir/h`, which is `a` too, and `dir/sub/d`. */
async function overlaid(work: (client: Client) => Promise<void>): Promise<void> {
  const image = await makeImage();
  const directory = await mkdtemp(join(tmpdir(), 'rowfs-shadow-'));
  const overlay = await Overlaid.open(image, directory);
  try {
    await work(new Client(overlay.service, overlay.root));
  } finally {
    await overlay.close();
    await rm(image, { recursive: true });
    await rm(directory, { recursive: true });
  }
}

async function listed(client: Client, dir: Filehandle): Promise<Map<string, DirEntryPlus>> {
  const entries = await client.readdirplus(dir);
  return new Map(entries.map((entry) => [entry.name, entry]));
}

/** What READDIRPLUS says of a directory is what GETATTR and LOOKUP say. */
async function isTrue(client: Client, dir: Filehandle): Promise<void> {
  for (const [name, { nameAttributes, nameHandle }] of await listed(client, dir)) {
    assert.ok(nameHandle !== undefined);
    assert.deepEqual(nameHandle, await client.lookup(dir, name), name);
    const attributes = await client.attributes(nameHandle);
    // The image is a directory of this machine here, which has an atime of its own.
    const { atime } = attributes;
    assert.deepEqual(nameAttributes && { ...nameAttributes, atime }, attributes, name);
  }
}

describe('a page that was given before', () => {
  it('is given again, the same', () =>
    overlaid(async (client) => {
      const dir = await client.walk('dir');
      const first = await listed(client, dir);
      assert.deepEqual(await listed(client, dir), first);
      await isTrue(client, dir);
    }));

  it('shows a file that is changed by another of its names', () =>
    overlaid(async (client) => {
      const dir = await client.walk('dir');
      await listed(client, dir);
      await client.write(await client.walk('a'), 0, 'changed');
      await isTrue(client, dir);
      await client.write(await client.walk('a'), 20_000, 'and grown');
      await isTrue(client, dir);
      assert.equal((await listed(client, dir)).get('h')?.nameAttributes?.size, 20_009);
    }));

  it('shows names that come and go, and who is above', () =>
    overlaid(async (client) => {
      const [dir, sub] = [await client.walk('dir'), await client.walk('dir/sub')];
      for (const each of [dir, sub]) await listed(client, each);
      await client.file(dir, 'new', 'x');
      for (const each of [dir, sub]) await isTrue(client, each);
      assert.ok((await listed(client, dir)).has('new'));
      ok(await client.service.remove({ object: { dir, name: 'c' } }, client.ctx));
      for (const each of [dir, sub]) await isTrue(client, each);
      assert.ok(!(await listed(client, dir)).has('c'));
      const newAttributes = sattr({ mode: 0o711 });
      const change = { object: sub, newAttributes, guard: undefined };
      ok(await client.service.setattr(change, client.ctx));
      for (const each of [dir, sub]) await isTrue(client, each);
      const move = { from: { dir, name: 'sub' }, to: { dir: client.root, name: 'moved' } };
      ok(await client.service.rename(move, client.ctx));
      for (const each of [dir, sub]) await isTrue(client, each);
    }));
});
