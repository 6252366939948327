import assert from 'node:assert/strict';
import { link, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { checkDeletable, deleteDirectory, finishDeletion } from './retired-data.ts';

async function tree(t: TestContext): Promise<{ parent: string; image: string }> {
  const parent = await mkdtemp(join(tmpdir(), 'rowfs-retired-'));
  t.after(() => rm(parent, { recursive: true }));
  const image = join(parent, 'image');
  await mkdir(join(image, 'deep'), { recursive: true });
  await writeFile(join(image, 'deep/file'), Buffer.alloc(1 << 20, 1));
  return { parent, image };
}

describe('the data of a retired version', () => {
  it('is deleted whole, and what the disk gets back is told', async (t) => {
    const { parent, image } = await tree(t);
    await link(join(image, 'deep/file'), join(image, 'twice'));
    await writeFile(join(parent, 'beside'), '');
    const freed = await deleteDirectory(image);
    assert.ok(freed >= 1 << 20 && freed < 3 << 19, 'a file of two names counts once');
    assert.deepEqual(await readdir(parent), ['beside']);
  });

  it('does not free what is linked from elsewhere', async (t) => {
    const { parent, image } = await tree(t);
    await link(join(image, 'deep/file'), join(parent, 'kept'));
    assert.ok((await deleteDirectory(image)) < 1 << 20);
    assert.deepEqual(await readdir(parent), ['kept']);
  });

  it('is gone from its place at once: what a crash left is deleted at the next start', async (t) => {
    const { parent, image } = await tree(t);
    await mkdir(join(parent, '.image.rowfs-deleted/deep'), { recursive: true });
    await finishDeletion(image);
    assert.deepEqual(await readdir(parent), ['image']);
  });

  it('is never all of the disk, nor what else is ours', () => {
    const refused = { code: 'BAD_USAGE' };
    assert.throws(() => checkDeletable('/', []), refused);
    assert.throws(() => checkDeletable('/var/lib', ['/var/lib/rowfs']), refused);
    assert.throws(() => checkDeletable('/var/lib/rowfs', ['/var/lib/rowfs']), refused);
    checkDeletable('/var/lib/rowfs-images', ['/var/lib/rowfs']);
  });
});
