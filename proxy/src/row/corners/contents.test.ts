import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Filehandle, Nfsstat3 } from '@rowfs/nfs3';
import { type Client, ok, refused, sattr } from '@rowfs/nfs3-conformance';
import { BLOCK_BYTES } from '../../shadow/presence.ts';
import { Corner } from '../../test-support/row/corner.ts';

const IMAGE_BYTES = 20_000;
const GIB = 1024 ** 3;
const BAD_FROM = 3 * BLOCK_BYTES;

/** `file` is full of ones. */
async function populate(image: string): Promise<void> {
  await writeFile(join(image, 'file'), Buffer.alloc(IMAGE_BYTES, 1));
}

async function truncate({ service, ctx }: Client, object: Filehandle, size: number): Promise<void> {
  ok(await service.setattr({ object, newAttributes: sattr({ size }), guard: undefined }, ctx));
}

for (const size of [0, 1, 4095, 4096, 4097, 10_000]) {
  test(`truncate down to ${size}, then extend: zeros, not bytes of the image`, async (t) => {
    const corner = await Corner.open(t, populate);
    const file = await corner.client.walk('file');
    await truncate(corner.client, file, size);
    await truncate(corner.client, file, IMAGE_BYTES);
    const expected = Buffer.alloc(IMAGE_BYTES);
    expected.fill(1, 0, size);
    assert.ok((await corner.client.readAll(file)).equals(expected));
    await corner.restart();
    assert.ok((await corner.client.readAll(file)).equals(expected));
    // A write completes its block from what shows, which is not the image.
    await corner.client.write(file, size + 100, 'x');
    expected.write('x', size + 100);
    assert.ok((await corner.client.readAll(file)).equals(expected));
  });
}

test('a write that extends what was cut leaves zeros in between', async (t) => {
  const { client } = await Corner.open(t, populate);
  const file = await client.walk('file');
  await truncate(client, file, 100);
  await client.write(file, 12_000, 'end');
  const expected = Buffer.alloc(12_003);
  expected.fill(1, 0, 100).write('end', 12_000);
  assert.ok((await client.readAll(file)).equals(expected));
});

test('writes far beyond the end take the space of what is written', async (t) => {
  const corner = await Corner.open(t, populate);
  const { client } = corner;
  const file = await client.walk('file');
  const offsets = [5 * GIB, 1024 * GIB, 8 * 1024 * GIB];
  for (const offset of offsets) await client.write(file, offset, 'far');
  await corner.restart();
  const again = corner.client;
  assert.equal((await again.attributes(file)).size, 8 * 1024 * GIB + 3);
  for (const offset of offsets) {
    const around = await again.read(file, offset - 3, 9);
    assert.equal(around.subarray(0, 6).toString('latin1'), '\0\0\0far');
  }
  assert.ok((await again.read(file, 0, 100)).equals(Buffer.alloc(100, 1)));
  assert.ok(corner.contentBytes < 1024 * 1024, `${corner.contentBytes} bytes of disk`);
});

test('holes read as zeros, take no space, and are filled one block at a time', async (t) => {
  const corner = await Corner.open(t);
  const { client } = corner;
  const file = await client.file(client.root, 'holes', 'start');
  await truncate(client, file, GIB);
  await client.write(file, GIB / 2, 'middle');
  const { size, used } = await client.attributes(file);
  assert.equal(size, GIB);
  assert.ok(used < 1024 * 1024 && corner.contentBytes < 1024 * 1024);
  const hole = await client.read(file, GIB / 2 - 4096, 4096 + 6 + 4096);
  const expected = Buffer.alloc(hole.length);
  expected.write('middle', 4096);
  assert.ok(hole.equals(expected));
});

test('what was written beside bytes that cannot be had is read, and so is what is before them', async (t) => {
  const { client } = await Corner.open(t, populate, (lower) => ({
    ...lower,
    async read(args, ctx) {
      const count = Math.min(args.count, BAD_FROM - args.offset);
      if (args.offset >= BAD_FROM + BLOCK_BYTES) return lower.read(args, ctx);
      if (count > 0) return lower.read({ ...args, count }, ctx);
      return { status: Nfsstat3.IO, fileAttributes: undefined };
    },
  }));
  const { service, ctx } = client;
  const file = await client.walk('file');
  await client.write(file, 10, 'written');
  const expected = Buffer.alloc(IMAGE_BYTES, 1);
  expected.write('written', 10);
  for (const offset of [0, 5_000, BAD_FROM - 1]) {
    const { count, eof, data } = ok(await service.read({ file, offset, count: 20_000 }, ctx));
    assert.deepEqual([count, eof], [BAD_FROM - offset, false]);
    assert.ok(Buffer.concat(data).equals(expected.subarray(offset, BAD_FROM)));
  }
  refused(await service.read({ file, offset: BAD_FROM, count: 20_000 }, ctx), 'IO');
  const after = BAD_FROM + BLOCK_BYTES;
  assert.ok((await client.read(file, after, 20_000)).equals(expected.subarray(after)));
});
