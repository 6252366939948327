import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ok, refused } from '@rowfs/nfs3-conformance';
import { Corner } from '../../test-support/row/corner.ts';

const SILLY = '.nfs000000010000000000000001';

for (const origin of ['of the image', 'made here'] as const) {
  test(`silly rename and delete of an open file ${origin}`, async (t) => {
    const corner = await Corner.open(t, (image) =>
      origin === 'of the image'
        ? writeFile(join(image, 'open'), 'content')
        : Promise.resolve(undefined),
    );
    const { client } = corner;
    const { service, root: dir, ctx } = client;
    if (origin === 'made here') await client.file(dir, 'open', 'content');
    const open = await client.walk('open');
    // What unlink(2) of an open file is to the Linux client.
    ok(await service.rename({ from: { dir, name: 'open' }, to: { dir, name: SILLY } }, ctx));
    // Its name is free, while it is still read and written by handle, over a restart too.
    await client.file(dir, 'open', 'its successor');
    await client.write(open, 7, ', still written');
    await corner.restart();
    assert.equal((await corner.client.read(open)).toString(), 'content, still written');
    // Closed: now it goes, and its space with it.
    const again = corner.client;
    ok(await again.service.remove({ object: { dir, name: SILLY } }, ctx));
    refused(await again.service.read({ file: open, offset: 0, count: 1 }, ctx), 'STALE');
    assert.equal((await again.read(await again.walk('open'))).toString(), 'its successor');
  });
}
