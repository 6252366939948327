import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DIGEST_BYTES, digestOf } from './digest.ts';
import { encodeImage } from './encode.ts';
import { ImageError } from './error.ts';
import { FileType } from './format.ts';
import { type Image, openImage } from './image.ts';
import { lookupPath } from './lookup-path.ts';
import { name, TEST_BLOCK_SIZE, tree, walk } from './test-support/trees.ts';
import type { Directory, TreeInode } from './tree.ts';

const encode = (root: Directory): Buffer => encodeImage(root, TEST_BLOCK_SIZE).bytes;

/** The tree with its names in another order, and the sets of attributes too. */
function reordered(directory: Directory, copies = new Map<TreeInode, TreeInode>()): Directory {
  const entries = [...directory.entries].reverse().map(([each, inode]): [string, TreeInode] => {
    const copy =
      copies.get(inode) ??
      (inode.type === FileType.DIR
        ? reordered(inode, copies)
        : { ...inode, xattrs: inode.xattrs.toReversed() });
    copies.set(inode, copy);
    return [each, copy];
  });
  return { ...directory, entries: new Map(entries) };
}

/** Asserts that the image shows this inode at the place of these names. */
function checkInode(image: Image, names: readonly string[], inode: TreeInode): number {
  const fileid = lookupPath(image, names);
  assert.ok(fileid !== undefined, names.join('/'));
  const { type, mode, uid, gid, size, mtime, rdev } = image.attributes(fileid);
  assert.deepEqual(
    { type, mode, uid, gid, mtime },
    { type: inode.type, mode: inode.mode, uid: inode.uid, gid: inode.gid, mtime: inode.mtime },
  );
  const order = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
  assert.deepEqual(image.xattrs(fileid), inode.xattrs.toSorted(order));
  switch (inode.type) {
    case FileType.REG: {
      assert.equal(size, inode.size);
      const blocks = image.blocks(fileid, 0, 2 ** 32);
      assert.deepEqual(
        image.runs(fileid).map(({ first, count }) => ({ first, count })),
        inode.content.runs,
      );
      assert.equal(
        blocks.reduce((sum, { length }) => sum + length, 0),
        size,
      );
      const stored = new Map<number, string>();
      let at = 0;
      for (const { first, count } of inode.content.runs) {
        for (let block = first; block < first + count; block += 1, at += DIGEST_BYTES) {
          const digest = inode.content.digests.subarray(at, at + DIGEST_BYTES);
          stored.set(block, Buffer.from(digest).toString('hex'));
        }
      }
      blocks.forEach((block, index) => {
        assert.equal(block.offset, index * TEST_BLOCK_SIZE);
        const digest = block.stored && Buffer.from(block.stored.digest).toString('hex');
        assert.equal(digest, stored.get(index));
        assert.deepEqual(image.blocks(fileid, index, 1), [block]);
        // A hard link's blocks are told of under the one inode.
        if (block.stored) assert.deepEqual(image.storedBlock(block.stored.number), block);
      });
      break;
    }
    case FileType.DIR: {
      const entries = image.readdir(fileid);
      assert.deepEqual(
        entries.map((entry) => entry.name),
        [...inode.entries.keys()].sort(),
      );
      entries.forEach((entry, index) => {
        assert.deepEqual(image.readdir(fileid, entry.cookie), entries.slice(index + 1));
        assert.deepEqual(image.readdir(fileid, index, 1), [entry]);
      });
      break;
    }
    case FileType.LNK:
      assert.equal(image.readlink(fileid), inode.target);
      break;
    case FileType.CHR:
    case FileType.BLK:
      assert.deepEqual(rdev, { specdata1: inode.major, specdata2: inode.minor });
      break;
    case FileType.SOCK:
    case FileType.FIFO:
      assert.equal(size, 0);
  }
  return fileid;
}

describe('an image', () => {
  it('shows the tree it was made of, every kind of file with all that it is', () => {
    fc.assert(
      fc.property(tree, (root) => {
        const image = openImage(encode(root));
        const fileids = new Map<TreeInode, number>();
        const links = new Map<TreeInode, number>();
        for (const { names, inode } of walk(root)) {
          const fileid = checkInode(image, names, inode);
          assert.equal(fileids.get(inode) ?? fileid, fileid, 'a hard link is one inode');
          fileids.set(inode, fileid);
          links.set(inode, (links.get(inode) ?? 0) + 1);
          assert.equal(lookupPath(image, image.path(fileid)), fileid);
        }
        assert.equal(new Set(fileids.values()).size, image.inodeCount);
        for (const [inode, fileid] of fileids) {
          const subdirectories =
            inode.type === FileType.DIR
              ? [...inode.entries.values()].filter(({ type }) => type === FileType.DIR).length
              : 0;
          const nlink = inode.type === FileType.DIR ? 2 + subdirectories : links.get(inode);
          assert.equal(image.attributes(fileid).nlink, nlink);
        }
      }),
    );
  });

  it('is the same bytes in whatever order the tree was read', () => {
    fc.assert(fc.property(tree, (root) => assert.deepEqual(encode(reordered(root)), encode(root))));
  });

  it('has no other names than those of the tree', () => {
    fc.assert(
      fc.property(tree, name, (root, other) => {
        const image = openImage(encode(root));
        const found = image.lookup(image.root, other);
        assert.equal(found !== undefined, root.entries.has(other));
      }),
    );
  });

  it('says NO_SUCH_INODE, NO_SUCH_BLOCK or WRONG_TYPE to a question it has no answer to', () => {
    const image = openImage(encode(emptyRoot));
    for (const fileid of [0, 2, -1, 1.5, NaN, 2 ** 40]) {
      assert.throws(() => image.attributes(fileid), { code: 'NO_SUCH_INODE' });
      assert.equal(image.has(fileid), false);
    }
    assert.throws(() => image.storedBlock(0), { code: 'NO_SUCH_BLOCK' });
    assert.throws(() => image.blocks(1, 0, 1), { code: 'WRONG_TYPE' });
    assert.throws(() => image.readlink(1), { code: 'WRONG_TYPE' });
  });

  it('refuses a tree that the format has no room for', () => {
    const file: TreeInode = { ...emptyRoot, type: FileType.FIFO };
    for (const bad of ['', '.', '..', 'a/b', 'a\0', 'x'.repeat(256), '.rowfs']) {
      const root = { ...emptyRoot, entries: new Map([[bad, file]]) };
      assert.throws(() => encode(root), { code: 'UNSUPPORTED' }, bad);
    }
    for (const target of ['', 'a\0', 'x'.repeat(4096)]) {
      const link: TreeInode = { ...emptyRoot, type: FileType.LNK, target };
      const root = { ...emptyRoot, entries: new Map([['link', link]]) };
      assert.throws(() => encode(root), { code: 'UNSUPPORTED' });
    }
    for (const size of [0, 2048, 5000, 2 ** 21]) {
      assert.throws(() => encodeImage(emptyRoot, size), { code: 'UNSUPPORTED' });
    }
  });

  it('may have .rowfs below the root', () => {
    const file: TreeInode = { ...emptyRoot, type: FileType.FIFO };
    const inner: TreeInode = { ...emptyRoot, entries: new Map([['.rowfs', file]]) };
    const image = openImage(encode({ ...emptyRoot, entries: new Map([['home', inner]]) }));
    assert.equal(lookupPath(image, ['home', '.rowfs']), 3);
  });
});

describe('openImage', () => {
  const sample = fc
    .sample(tree, { seed: 7, numRuns: 30 })
    .map(encode)
    .sort((a, b) => b.length - a.length);
  const bytes = sample.find(({ length }) => length < 4000) ?? encode(emptyRoot);

  it('finds every flipped bit, and every truncation', () => {
    for (let at = 0; at < bytes.length; at += 1) {
      for (const bit of [0, 3, 7]) {
        const flipped = Buffer.from(bytes);
        flipped[at]! ^= 1 << bit;
        assert.throws(() => openImage(flipped), ImageError, `byte ${at}, bit ${bit}`);
      }
      assert.throws(() => openImage(bytes.subarray(0, at)), ImageError, `${at} bytes`);
    }
    assert.throws(() => openImage(Buffer.concat([bytes, Buffer.alloc(1)])), { code: 'CORRUPT' });
  });

  it('takes only the image of the digest that is asked for', () => {
    const { digest } = openImage(bytes);
    assert.equal(openImage(bytes, { digest }).inodeCount, openImage(bytes).inodeCount);
    assert.throws(() => openImage(encode(emptyRoot), { digest }), { code: 'DIGEST_MISMATCH' });
  });

  it('says what is no manifest, or one of a later format', () => {
    assert.throws(() => openImage(Buffer.from('#!/bin/sh\n')), { code: 'NOT_AN_IMAGE' });
    assert.throws(() => openImage(Buffer.alloc(0)), { code: 'NOT_AN_IMAGE' });
    const later = Buffer.from(bytes);
    later[8] = 2;
    assert.throws(() => openImage(later), { code: 'UNKNOWN_VERSION' });
  });

  it('refuses what breaks a rule though its digest is right, or shows a whole tree', () => {
    const change = fc.record({ sample: fc.nat(), at: fc.nat(), value: fc.nat({ max: 255 }) });
    fc.assert(
      fc.property(change, ({ sample: index, at, value }) => {
        const hostile = Buffer.from(sample[index % sample.length] ?? bytes);
        const trailer = hostile.length - DIGEST_BYTES;
        hostile[at % trailer] = value;
        hostile.set(digestOf(hostile.subarray(0, trailer)), trailer);
        let image: Image;
        try {
          image = openImage(hostile);
        } catch (error) {
          assert.ok(error instanceof ImageError, String(error));
          return;
        }
        visitAll(image);
      }),
      { numRuns: 3000 },
    );
  });
});

/** Asks everything that can be asked, which ends, and reaches every inode. */
function visitAll(image: Image): void {
  const seen = new Set<number>();
  const queue = [image.root];
  for (const fileid of queue) {
    if (seen.has(fileid)) continue;
    seen.add(fileid);
    const { type } = image.attributes(fileid);
    image.xattrs(fileid);
    assert.equal(lookupPath(image, image.path(fileid)), fileid);
    if (type === FileType.REG) {
      image.blocks(fileid, 0, 100);
      image.runs(fileid);
    }
    if (type === FileType.LNK) assert.ok(image.readlink(fileid).length > 0);
    if (type !== FileType.DIR) continue;
    for (const entry of image.readdir(fileid)) {
      assert.equal(image.lookup(fileid, entry.name), entry.fileid);
      queue.push(entry.fileid);
    }
  }
  assert.equal(seen.size, image.inodeCount);
  for (let number = 0; number < image.blockCount; number += 1) image.storedBlock(number);
}

const emptyRoot: Directory = {
  type: FileType.DIR,
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nseconds: 0 },
  xattrs: [],
  entries: new Map(),
};
