import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { RenameResult } from '@rowfs/nfs3';
import { type Client, ok, refused } from '@rowfs/nfs3-conformance';
import { Corner } from '../../test-support/row/corner.ts';

const CHILDREN = 50;

/** `from` has a directory with files in it, `to` has nothing; beside them stands a `file`. */
async function populate(image: string): Promise<void> {
  await mkdir(join(image, 'from/below'), { recursive: true });
  await mkdir(join(image, 'to'));
  await writeFile(join(image, 'file'), 'a file');
  for (let i = 0; i < CHILDREN; i += 1) {
    await writeFile(join(image, `from/below/${i}`), `${i}`.repeat(1000));
  }
}

/** RENAME by paths of at most one directory. */
async function move(client: Client, from: string, to: string): Promise<RenameResult> {
  const place = async (path: string): Promise<{ dir: Uint8Array; name: string }> => {
    const [name = '', directory = ''] = path.split('/').reverse();
    return { dir: await client.walk(directory), name };
  };
  const args = { from: await place(from), to: await place(to) };
  return client.service.rename(args, client.ctx);
}

test('rename of a directory of the image with children copies nothing', async (t) => {
  const corner = await Corner.open(t, populate);
  const { client } = corner;
  const child = await client.walk('from/below/7');
  const before = await client.attributes(child);
  const pages = corner.callsBelow('readdir') + corner.callsBelow('readdirplus');
  ok(await move(client, 'from', 'to/moved'));
  assert.equal(corner.callsBelow('read'), 0);
  assert.equal(corner.callsBelow('readdir') + corner.callsBelow('readdirplus'), pages);
  assert.equal(corner.contentBytes, 0);
  assert.deepEqual(await client.attributes(child), before);
  assert.deepEqual(await client.walk('to/moved/below/7'), child);
  await corner.restart();
  assert.deepEqual(await corner.client.walk('to/moved/below/7'), child);
  const names = await corner.client.names(await corner.client.walk('to/moved/below'));
  assert.equal(names.length, CHILDREN);
  assert.equal(await corner.client.exists(corner.client.root, 'from'), false);
});

test('rename over: what was there is gone, its handle stale, and unlike kinds are refused', async (t) => {
  const { client } = await Corner.open(t, populate);
  const { service, ctx } = client;
  const replaced = await client.walk('from/below/1');
  const file = await client.walk('file');
  ok(
    await service.rename(
      {
        from: { dir: client.root, name: 'file' },
        to: { dir: await client.walk('from/below'), name: '1' },
      },
      ctx,
    ),
  );
  refused(await service.getattr({ object: replaced }, ctx), 'STALE');
  assert.deepEqual(await client.walk('from/below/1'), file);
  await client.file(client.root, 'file', 'again');
  refused(await move(client, 'to', 'file'), 'NOTDIR');
  refused(await move(client, 'file', 'to'), 'ISDIR');
  refused(await move(client, 'to', 'from'), 'NOTEMPTY');
  ok(await move(client, 'from', 'to'));
  assert.equal(await client.exists(client.root, 'from'), false);
});

test('rename onto itself changes nothing and succeeds', async (t) => {
  const { client } = await Corner.open(t, populate);
  for (const name of ['file', 'from']) {
    const before = await client.attributes(await client.walk(name));
    const root = await client.attributes(client.root);
    ok(await move(client, name, name));
    assert.deepEqual(await client.attributes(await client.walk(name)), before);
    assert.deepEqual(await client.attributes(client.root), root);
  }
});

test('rename into its own descendant is INVAL, over its own ancestor NOTEMPTY', async (t) => {
  const { client } = await Corner.open(t, populate);
  refused(await move(client, 'from', 'from/inside'), 'INVAL');
  const below = await client.walk('from/below');
  const args = {
    from: { dir: client.root, name: 'from' },
    to: { dir: below, name: 'inside' },
  };
  refused(await client.service.rename(args, client.ctx), 'INVAL');
  refused(await move(client, 'from/below', 'from'), 'NOTEMPTY');
  // Moved away it is no descendant any more.
  ok(await move(client, 'from/below', 'below'));
  ok(await client.service.rename(args, client.ctx));
  assert.equal(await client.exists(below, 'inside'), true);
});
