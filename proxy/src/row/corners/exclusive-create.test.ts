import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ok, refused, sattr } from '@rowfs/nfs3-conformance';
import { Corner } from '../../test-support/row/corner.ts';

test('O_EXCL: the verifier outlives a restart, and the SETATTR that follows', async (t) => {
  const corner = await Corner.open(t, (image) => writeFile(join(image, 'image'), ''));
  const where = { dir: corner.client.root, name: 'new' };
  const exclusively = async (verf: bigint, name = 'new') =>
    corner.client.service.create(
      { where: { ...where, name }, how: { mode: 'exclusive', verf } },
      corner.client.ctx,
    );
  const made = ok(await exclusively(0xfedc_ba98_7654_3210n)).obj;
  assert.ok(made !== undefined);
  await corner.restart();
  assert.deepEqual(ok(await exclusively(0xfedc_ba98_7654_3210n)).obj, made);
  refused(await exclusively(1n), 'EXIST');
  // The Linux client sets the mode and the times next; only then does it have the file.
  const newAttributes = sattr({ mode: 0o644, atime: 'server-time', mtime: 'server-time' });
  const { service, ctx } = corner.client;
  ok(await service.setattr({ object: made, newAttributes, guard: undefined }, ctx));
  await corner.restart();
  assert.deepEqual(ok(await exclusively(0xfedc_ba98_7654_3210n)).obj, made);
  refused(await exclusively(0n, 'image'), 'EXIST');
});
