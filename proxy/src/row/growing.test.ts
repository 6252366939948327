import assert from 'node:assert/strict';
import { appendFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  createLocalDirectory,
  Mountstat3,
  type Nfs3Context,
  Nfsstat3,
  StableHow,
  stack,
  UNCHANGED,
} from '@rowfs/nfs3';
import { redirectOnWrite } from './layer.ts';
import { openShadow } from '../shadow/shadow.ts';

const ctx: Nfs3Context = {
  credential: { flavor: 'sys', stamp: 0, machinename: 'test', uid: 0, gid: 0, gids: [] },
  signal: new AbortController().signal,
  peer: { address: '127.0.0.1', port: 700 },
};

test('a file that grows shows zeros, not what a crash left beyond its end', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'rowfs-row-'));
  t.after(() => rm(root, { recursive: true }));
  await mkdir(join(root, 'image'));
  const lower = await createLocalDirectory({ root: join(root, 'image'), access: 'read-only' });
  t.after(() => lower.close());
  const directory = join(root, 'shadow');

  let shadow = await openShadow({ directory, belongsTo: {} });
  let service = stack(lower, redirectOnWrite(shadow));
  const mounted = await service.mount('/', ctx);
  assert.equal(mounted.status, Mountstat3.OK);
  const where = { dir: mounted.handle, name: 'file' };
  const how = { mode: 'guarded', objAttributes: UNCHANGED } as const;
  const created = await service.create({ where, how }, ctx);
  assert.equal(created.status, Nfsstat3.OK);
  const file = created.obj!;
  const data = [Buffer.alloc(100, 1)];
  await service.write({ file, offset: 0, count: 100, stable: StableHow.FILE_SYNC, data }, ctx);
  await shadow.close();

  const contents = await readdir(join(directory, 'data'), { recursive: true, withFileTypes: true });
  const sparse = contents.find((entry) => entry.isFile())!;
  await appendFile(join(sparse.parentPath, sparse.name), Buffer.alloc(5000, 2));

  shadow = await openShadow({ directory, belongsTo: {} });
  service = stack(lower, redirectOnWrite(shadow));
  assert.equal((await service.mount('/', ctx)).status, Mountstat3.OK);
  const newAttributes = { ...UNCHANGED, size: 8192 };
  await service.setattr({ object: file, newAttributes, guard: undefined }, ctx);
  const read = await service.read({ file, offset: 0, count: 8192 }, ctx);
  assert.equal(read.status, Nfsstat3.OK);
  const expected = Buffer.concat([Buffer.alloc(100, 1), Buffer.alloc(8092)]);
  assert.deepEqual(Buffer.concat(read.data), expected);
  await shadow.close();
});
