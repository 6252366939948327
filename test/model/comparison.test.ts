import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Fattr3, Ftype3 } from '@rowfs/nfs3';
import { attributeDifferences, differences, timeDifferences } from './comparison.ts';
import type { DiskObject } from './local-disk.ts';

const time = { seconds: 5, nseconds: 7 };
const attributes: Fattr3 = {
  type: Ftype3.REG,
  mode: 0o644,
  nlink: 1,
  uid: 0,
  gid: 0,
  size: 3,
  used: 4096,
  rdev: { specdata1: 0, specdata2: 0 },
  fsid: 1n,
  fileid: 2n,
  atime: time,
  mtime: time,
  ctime: time,
};
const seen = {
  attributes,
  content: Buffer.from('abc'),
  target: undefined,
  entries: undefined,
};
const disk: DiskObject = {
  type: 'file',
  mode: 0o644,
  nlink: 1,
  uid: 0,
  gid: 0,
  size: 3,
  rdev: { major: 0, minor: 0 },
  mtime: 5n,
  ctime: 5n,
  content: Buffer.from('abc'),
  target: undefined,
  entries: undefined,
};
const noHandles = (): Uint8Array => new Uint8Array();

test('the same is no difference, and each thing that is not the same is told', () => {
  assert.deepEqual(differences(seen, disk, noHandles), []);
  const other = { ...disk, mode: 0o4755, nlink: 2, content: Buffer.from('abd') };
  assert.deepEqual(differences(seen, other, noHandles), [
    'mode is 644, on disk 4755',
    'nlink is 1, on disk 2',
    'byte 2 is 99, on disk 100',
  ]);
  assert.deepEqual(differences(undefined, disk, noHandles), ['is gone']);
  assert.deepEqual(differences(seen, undefined, noHandles), ['is there, and was removed']);
});

test('a directory has the names that are on disk, each with its own object', () => {
  const handle = Buffer.from('handle');
  const directory = {
    seen: {
      ...seen,
      attributes: { ...attributes, type: Ftype3.DIR },
      content: undefined,
      entries: new Map([
        ['a', handle],
        ['b', handle],
      ]),
    },
    disk: {
      ...disk,
      type: 'directory',
      content: undefined,
      entries: new Map([
        ['a', 1],
        ['c', 2],
      ]),
    },
  } as const;
  assert.deepEqual(
    differences(directory.seen, directory.disk, () => Buffer.from('other')),
    ['lists b, which is not on disk', 'has another object, or handle, at a', 'does not list c'],
  );
});

test('a time that moves alone, or back, is told', () => {
  const after = {
    ...attributes,
    mtime: { seconds: 6, nseconds: 0 },
    ctime: { ...time, seconds: 4 },
  };
  const found = timeDifferences({
    before: attributes,
    after,
    diskBefore: disk,
    diskAfter: { ...disk, ctime: 4n },
  });
  assert.deepEqual(found, ['mtime went on, on disk it stayed', 'ctime went back']);
});

test('attributes that an answer told, and are not so, are told', () => {
  assert.deepEqual(attributeDifferences({ ...attributes, used: 0 }, attributes), []);
  assert.deepEqual(attributeDifferences({ ...attributes, size: 4 }, attributes), [
    'size is 4, not 3',
  ]);
});
