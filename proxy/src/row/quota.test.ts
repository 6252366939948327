import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type Filehandle, Nfsstat3, nfsstat3Name, StableHow, UNCHANGED } from '@rowfs/nfs3';
import { asRoot as ctx, makeImage, Overlaid } from '../test-support/row/overlaid.ts';

const BLOCK = 4096;
/** Room for what the records of these few objects take, and for this many blocks. */
const BLOCKS = 64;
const QUOTA = BLOCKS * BLOCK;

void describe('a shadow with a quota', () => {
  let image: string;
  let root: string;
  let subject: Overlaid;

  beforeEach(async () => {
    image = await makeImage();
    root = await mkdtemp(join(tmpdir(), 'rowfs-quota-'));
    subject = await open(QUOTA);
  });
  afterEach(async () => {
    await subject.close();
    await rm(image, { recursive: true });
    await rm(root, { recursive: true });
  });

  const open = (quota: number): Promise<Overlaid> =>
    Overlaid.open(image, join(root, 'shadow'), { quota, reserve: 0 });

  async function reopen(quota: number): Promise<void> {
    await subject.close();
    subject = await open(quota);
  }

  async function create(name: string): Promise<Filehandle | string> {
    const how = { mode: 'guarded', objAttributes: UNCHANGED } as const;
    const made = await subject.service.create({ where: { dir: subject.root, name }, how }, ctx);
    if (made.status !== Nfsstat3.OK) return nfsstat3Name(made.status);
    assert.ok(made.obj !== undefined);
    return made.obj;
  }

  async function mustCreate(name: string): Promise<Filehandle> {
    const made = await create(name);
    assert.ok(typeof made !== 'string', `${name}: ${String(made)}`);
    return made;
  }

  async function lookup(name: string): Promise<Filehandle> {
    const found = await subject.service.lookup({ what: { dir: subject.root, name } }, ctx);
    assert.ok(found.status === Nfsstat3.OK);
    return found.object;
  }

  async function write(file: Filehandle, offset: number, bytes: number, fill = 1): Promise<string> {
    const data = [Buffer.alloc(bytes, fill)];
    const args = { file, offset, count: bytes, stable: StableHow.FILE_SYNC, data };
    return nfsstat3Name((await subject.service.write(args, ctx)).status);
  }

  async function setSize(object: Filehandle, size: number): Promise<string> {
    const args = { object, newAttributes: { ...UNCHANGED, size }, guard: undefined };
    return nfsstat3Name((await subject.service.setattr(args, ctx)).status);
  }

  async function remove(name: string): Promise<string> {
    const args = { object: { dir: subject.root, name } };
    return nfsstat3Name((await subject.service.remove(args, ctx)).status);
  }

  /** Appends blocks until there is no room for another. */
  async function fill(file: Filehandle): Promise<number> {
    for (let blocks = 0; ; blocks += 1) {
      const status = await write(file, blocks * BLOCK, BLOCK);
      if (status === 'NFS3_OK') continue;
      assert.equal(status, 'NFS3ERR_NOSPC');
      return blocks;
    }
  }

  it('refuses new contents and objects at the quota, and nothing of them is there', async () => {
    const file = await mustCreate('file');
    const blocks = await fill(file);
    assert.ok(blocks > BLOCKS / 2 && blocks < BLOCKS, `${blocks}`);
    const { usedBytes } = await subject.shadow.statistics();
    assert.ok(usedBytes <= QUOTA, `${usedBytes}`);
    const result = await subject.service.getattr({ object: file }, ctx);
    assert.ok(result.status === Nfsstat3.OK);
    assert.equal(result.attributes.size, blocks * BLOCK);

    assert.equal(await create('another'), 'NFS3ERR_NOSPC');
    const where = { dir: subject.root, name: 'another' };
    const { service } = subject;
    const made = await service.mkdir({ where, attributes: UNCHANGED }, ctx);
    assert.equal(made.status, Nfsstat3.NOSPC);
    const link = { symlinkAttributes: UNCHANGED, symlinkData: 'x' };
    assert.equal((await service.symlink({ where, ...link }, ctx)).status, Nfsstat3.NOSPC);
    assert.equal((await service.lookup({ what: where }, ctx)).status, Nfsstat3.NOENT);
    assert.equal(await write(await lookup('a'), 0, 1), 'NFS3ERR_NOSPC');
  });

  it('lets files be written over where they are here already', async () => {
    const image1 = await lookup('a');
    assert.equal(await write(image1, 4096, 100), 'NFS3_OK');
    const file = await mustCreate('file');
    const sparse = await mustCreate('sparse');
    assert.equal(await write(sparse, 5 * BLOCK, BLOCK), 'NFS3_OK');
    const blocks = await fill(file);
    assert.equal(await write(file, 0, blocks * BLOCK, 2), 'NFS3_OK');
    assert.equal(await write(file, (blocks - 1) * BLOCK + 17, 5, 3), 'NFS3_OK');
    assert.equal(await write(sparse, 5 * BLOCK, BLOCK, 4), 'NFS3_OK');
    assert.equal(await write(sparse, 4 * BLOCK, BLOCK, 4), 'NFS3ERR_NOSPC');
    assert.equal(await write(image1, 5000, 3000, 5), 'NFS3_OK');
    assert.equal(await write(image1, 0, 1, 5), 'NFS3ERR_NOSPC');
  });

  it('gives back what is removed and truncated, at once', async () => {
    const file = await mustCreate('file');
    const other = await mustCreate('other');
    // Otherwise the records take a page more as soon as they have what the journal has.
    await reopen(QUOTA);
    const blocks = await fill(file);
    assert.equal(await setSize(file, (blocks - 3) * BLOCK), 'NFS3_OK');
    assert.equal(await write(other, 0, 3 * BLOCK), 'NFS3_OK');
    assert.equal(await write(other, 3 * BLOCK, BLOCK), 'NFS3ERR_NOSPC');
    assert.equal(await remove('file'), 'NFS3_OK');
    assert.equal(await write(other, 3 * BLOCK, (blocks - 4) * BLOCK), 'NFS3_OK');
    for (let round = 0; round < 5; round += 1) {
      assert.equal(await remove('other'), 'NFS3_OK');
      const again = await mustCreate('other');
      assert.equal(await write(again, 0, (blocks - 4) * BLOCK), 'NFS3_OK', `round ${round}`);
    }
  });

  it('lets everything be removed, renamed and changed when there is nothing left', async () => {
    await fill(await mustCreate('file'));
    await reopen(0);
    const { service } = subject;
    const newAttributes = { ...UNCHANGED, mode: 0o600 };
    const object = await lookup('b');
    const changed = await service.setattr({ object, newAttributes, guard: undefined }, ctx);
    assert.equal(changed.status, Nfsstat3.OK);
    const from = { dir: subject.root, name: 'b' };
    const to = { dir: subject.root, name: 'renamed' };
    assert.equal((await service.rename({ from, to }, ctx)).status, Nfsstat3.OK);
    assert.equal(await setSize(await lookup('a'), 100), 'NFS3_OK');
    assert.equal(await setSize(await lookup('a'), 100_000), 'NFS3_OK');
    for (const name of ['a', 's', 'file', 'renamed']) assert.equal(await remove(name), 'NFS3_OK');
  });

  it('knows after a restart what it had used', async () => {
    await fill(await mustCreate('file'));
    // What is in the journal now is in the records then.
    await reopen(QUOTA);
    const before = await subject.shadow.statistics();
    await reopen(QUOTA);
    const after = await subject.shadow.statistics();
    assert.equal(after.usedBytes, before.usedBytes);
    await reopen(QUOTA + 2 * BLOCK);
    const file = await lookup('a');
    assert.equal(await write(file, 0, BLOCK), 'NFS3_OK');
  });

  it('is the size of the file system that clients see', async () => {
    const file = await mustCreate('file');
    const df = async (): Promise<{ size: bigint; used: bigint; available: bigint }> => {
      const result = await subject.service.fsstat({ fsroot: subject.root }, ctx);
      assert.ok(result.status === Nfsstat3.OK);
      const { tbytes: size, fbytes, abytes: available } = result;
      return { size, used: size - fbytes, available };
    };
    await reopen(QUOTA);
    const before = await df();
    assert.equal(before.size, BigInt(QUOTA));
    assert.equal(before.available, before.size - before.used);
    await write(file, 0, 10 * BLOCK);
    const after = await df();
    assert.equal(after.used - before.used, BigInt(10 * BLOCK));
    await fill(file);
    assert.ok((await df()).available < BLOCK);
  });
});
