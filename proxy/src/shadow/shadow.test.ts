import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Nfsstat3, StableHow, UNCHANGED } from '@rowfs/nfs3';
import { openShadow } from './shadow.ts';
import { diskBytes } from '../test-support/disk-bytes.ts';
import { asRoot, makeImage, Overlaid } from '../test-support/row/overlaid.ts';

void describe('a shadow', () => {
  let image: string;
  let root: string;
  before(async () => {
    image = await makeImage();
    root = await mkdtemp(join(tmpdir(), 'rowfs-shadow-'));
  });
  after(async () => {
    await rm(image, { recursive: true });
    await rm(root, { recursive: true });
  });

  it('refuses a second opener and names the first', async () => {
    const directory = join(root, 'twice');
    const shadow = await openShadow({ directory, belongsTo: {} });
    await assert.rejects(openShadow({ directory, belongsTo: {} }), {
      code: 'SHADOW_IN_USE',
      message: new RegExp(`process ${process.pid} `),
    });
    await shadow.close();
    await (await openShadow({ directory, belongsTo: {} })).close();
  });

  it('gives no id twice and forgets no root, though the transaction that noted them failed', async () => {
    const directory = join(root, 'failed');
    const shadow = await openShadow({ directory, belongsTo: {} });
    // Longer than lmdb takes.
    const tooLong = new Map([['k'.repeat(4000), Buffer.from('')]]);
    shadow.stage(tooLong);
    const lost = shadow.newId();
    const handle = Buffer.from('the root');
    await assert.rejects(shadow.bindRoot(handle), { code: 'EIO' });
    assert.ok(!shadow.isRoot(handle));
    const verifier = shadow.verifier;
    await shadow.bindRoot(handle);
    const given = shadow.newId();
    assert.ok(given > lost);
    await shadow.durable();
    assert.equal(shadow.verifier, verifier);
    await shadow.close();
    const again = await openShadow({ directory, belongsTo: {} });
    assert.ok(again.isRoot(handle));
    assert.ok(again.newId() > given);
    await again.close();
  });

  it('belongs to one version of one appliance', async () => {
    const directory = join(root, 'owned');
    const owner = { appliance: 'debian', version: '1' };
    await (await openShadow({ directory, belongsTo: owner })).close();
    await assert.rejects(openShadow({ directory, belongsTo: { ...owner, version: '2' } }), {
      code: 'SHADOW_VERSION_MISMATCH',
      message: /debian version 1.*debian version 2/,
    });
    await (await openShadow({ directory, belongsTo: owner })).close();
  });

  it('is refused over an image whose root has another handle', async () => {
    const directory = join(root, 'moved');
    await (await Overlaid.open(image, directory)).close();
    const other = await makeImage();
    await assert.rejects(Overlaid.open(other, directory), { code: 'SHADOW_VERSION_MISMATCH' });
    await rm(other, { recursive: true });
    await rm(directory, { recursive: true });
  });

  it('says what is wrong with a directory that it cannot use', async () => {
    const path = join(root, 'file');
    await writeFile(path, '');
    await assert.rejects(openShadow({ directory: path, belongsTo: {} }), {
      code: 'SHADOW_UNUSABLE',
      message: new RegExp(path),
    });
  });

  it('stores of a file only the blocks that were written', async () => {
    const directory = join(root, 'sparse');
    const big = await mkdtemp(join(tmpdir(), 'rowfs-big-'));
    await writeFile(join(big, 'disk'), Buffer.alloc(8 << 20, 1));
    const subject = await Overlaid.open(big, directory);
    const found = await subject.service.lookup(
      { what: { dir: subject.root, name: 'disk' } },
      asRoot,
    );
    assert.ok(found.status === Nfsstat3.OK);
    const data = [Buffer.from('changed')];
    const args = { file: found.object, offset: 5_000_000, count: 7, data };
    await subject.service.write({ ...args, stable: StableHow.FILE_SYNC }, asRoot);
    assert.equal(await diskBytes(join(directory, 'data')), 4096);
    await subject.close();
    await rm(big, { recursive: true });
  });

  it('removes what a crash left of files without a node, and of files that were removed', async () => {
    const directory = join(root, 'orphans');
    const subject = await Overlaid.open(image, directory);
    const where = { dir: subject.root, name: 'short-lived' };
    const how = { mode: 'guarded', objAttributes: UNCHANGED } as const;
    const made = await subject.service.create({ where, how }, asRoot);
    assert.ok(made.status === Nfsstat3.OK && made.obj !== undefined);
    const args = { file: made.obj, offset: 0, count: 1, data: [Buffer.from('x')] };
    await subject.service.write({ ...args, stable: StableHow.FILE_SYNC }, asRoot);
    await subject.service.remove({ object: where }, asRoot);
    await subject.close();
    assert.equal(await diskBytes(join(directory, 'data')), 0);
    await writeFile(join(directory, 'data/3f/ff'), 'an orphan');
    await (await Overlaid.open(image, directory)).close();
    assert.deepEqual(await readdir(join(directory, 'data/3f')), []);
  });

  it('changes its write verifier with each start', async () => {
    const directory = join(root, 'verifier');
    const verifiers = new Set<bigint>();
    for (let start = 0; start < 2; start += 1) {
      const shadow = await openShadow({ directory, belongsTo: {} });
      verifiers.add(shadow.verifier);
      await shadow.close();
    }
    assert.equal(verifiers.size, 2);
  });
});
