import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import {
  appendFile,
  link,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { Readable } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { buildFileImage, buildImage, buildTarImage } from './build-image.ts';
import { diffImages, type ImageDiff } from './diff-images.ts';
import { digestOf, verifyBlock } from './digest.ts';
import { ImageError } from './error.ts';
import { FileType } from './format.ts';
import { hashFiles } from './hash-files.ts';
import type { Image } from './image.ts';
import { lookupPath } from './lookup-path.ts';
import { readImage, readPrevious, saveImage, saveImageInTree } from './image-files.ts';
import { setMtime } from './libc.ts';
import { scanDirectory } from './scan-directory.ts';
import { setXattr } from './test-support/set-xattr.ts';

const BLOCK = 4096;

describe('buildImage', () => {
  let base: string;
  let tree: string;

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'rowfs-image-'));
    tree = join(base, 'tree');
    await mkdir(join(tree, 'sub'), { recursive: true });
    await writeFile(join(tree, 'text'), 'hello');
    await writeFile(join(tree, 'empty'), '');
    await writeFile(join(tree, 'blocks'), Buffer.alloc(3 * BLOCK + 5, 'x'));
    await writeFile(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0x80])]), 'bytes');
    await link(join(tree, 'text'), join(tree, 'sub', 'other name'));
    await symlink('../nowhere', join(tree, 'sub', 'link'));
    execFileSync('mkfifo', ['-m', '600', join(tree, 'fifo')]);
    const sparse = await open(join(tree, 'sparse'), 'w');
    await sparse.write('in the middle', 5 * BLOCK + 100);
    await sparse.truncate(10 * BLOCK);
    await sparse.close();
    setMtime(Buffer.from(tree), { seconds: 1_600_000_000, nseconds: 123_456_789 });
  });

  afterEach(() => rm(base, { recursive: true }));

  const fileid = (image: Image, path: string): number => {
    const found = lookupPath(image, path.split('/'));
    assert.ok(found !== undefined, path);
    return found;
  };
  const summary = ({ changes }: ImageDiff): string[] =>
    changes.map(({ kind, names, parts }) => [kind, names.join('/'), ...parts].join(' '));

  it('shows files of every kind as they are', async () => {
    const server = createServer().listen(join(tree, 'socket'));
    await once(server, 'listening');
    setMtime(Buffer.from(tree), { seconds: -1, nseconds: 123_456_789 });
    const { image, read } = await buildImage(tree, { blockSize: BLOCK });
    server.close();
    const types = Object.fromEntries(
      image.readdir(image.root).map((entry) => [entry.name, image.attributes(entry.fileid).type]),
    );
    assert.deepEqual(types, {
      '\xff\x80': FileType.REG,
      blocks: FileType.REG,
      empty: FileType.REG,
      fifo: FileType.FIFO,
      socket: FileType.SOCK,
      sparse: FileType.REG,
      sub: FileType.DIR,
      text: FileType.REG,
    });
    assert.equal(fileid(image, 'text'), fileid(image, 'sub/other name'));
    assert.equal(image.attributes(fileid(image, 'text')).nlink, 2);
    assert.equal(image.readlink(fileid(image, 'sub/link')), '../nowhere');
    assert.deepEqual(image.attributes(image.root).mtime, { seconds: -1, nseconds: 123_456_789 });
    const { mode, uid, gid } = await lstat(join(tree, 'fifo'));
    const fifo = image.attributes(fileid(image, 'fifo'));
    assert.deepEqual([fifo.mode, fifo.uid, fifo.gid], [mode & 0o7777, uid, gid]);
    assert.equal(read.files, 5);
  });

  it('shows devices with their numbers', async (t) => {
    if (process.getuid?.() !== 0) {
      t.skip('only root makes devices');
      return;
    }
    execFileSync('mknod', [join(tree, 'device'), 'b', '259', '70000']);
    const { image } = await buildImage(tree);
    const { type, rdev, size } = image.attributes(fileid(image, 'device'));
    assert.deepEqual(
      { type, rdev, size },
      { type: FileType.BLK, rdev: { specdata1: 259, specdata2: 70000 }, size: 0 },
    );
  });

  it('refuses what is mounted inside of the tree', async () => {
    await assert.rejects(buildImage('/dev'), {
      code: 'UNSUPPORTED',
      message: /\/dev\/\w+ is on another file system/,
    });
  });

  it('has the digest of each block, and nothing for blocks of zeros, holes or not', async () => {
    await writeFile(join(tree, 'zeros'), Buffer.alloc(2 * BLOCK + 1));
    const { image } = await buildImage(tree, { blockSize: BLOCK });
    const content = await readFile(join(tree, 'blocks'));
    const blocks = image.blocks(fileid(image, 'blocks'), 0, 100);
    assert.deepEqual(
      blocks.map(({ length }) => length),
      [BLOCK, BLOCK, BLOCK, 5],
    );
    for (const { offset, length, stored } of blocks) {
      const bytes = content.subarray(offset, offset + length);
      assert.ok(stored !== undefined && verifyBlock(stored.digest, bytes));
      assert.ok(verifyBlock(stored.digest, [bytes.subarray(0, 2), bytes.subarray(2)]));
      assert.ok(!verifyBlock(stored.digest, Buffer.concat([bytes, Buffer.alloc(1)])));
    }
    const sparse = image.runs(fileid(image, 'sparse'));
    assert.deepEqual(
      sparse.map(({ first, count }) => ({ first, count })),
      [{ first: 5, count: 1 }],
    );
    assert.equal(image.attributes(fileid(image, 'sparse')).used, BLOCK);
    assert.deepEqual(image.runs(fileid(image, 'zeros')), []);
  });

  it('gives a long file to several threads, and puts it together again', async () => {
    const long = join(tree, 'long');
    const size = 70 * 1024 * 1024;
    const file = await open(long, 'w');
    const marks = [0, 33, 40, 64, 69].map((mebibyte) => mebibyte * 1024 * 1024);
    for (const mark of marks) await file.write(`at ${mark}`, mark);
    await file.truncate(size);
    await file.close();
    const progress: number[] = [];
    const { image } = await buildImage(tree, {
      onProgress: ({ done, total = 0 }) => progress.push(done / total),
    });
    const runs = image.runs(fileid(image, 'long'));
    assert.deepEqual(
      runs.map(({ first }) => first * image.blockSize),
      marks,
    );
    const expected = Buffer.alloc(image.blockSize);
    expected.write(`at ${marks[3]}`);
    assert.ok(image.digests(runs[3]?.number ?? 0, 1).equals(digestOf(expected)));
    assert.equal(progress.at(-1), 1);
  });

  it('is the same for every copy of the tree', async () => {
    const copy = join(base, 'copy');
    execFileSync('cp', ['-a', '--sparse=never', tree, copy]);
    // Another inode, ctime and atime, and another place in the directory.
    await rm(join(copy, 'text'));
    await link(join(copy, 'sub', 'other name'), join(copy, 'text'));
    await readFile(join(copy, 'blocks'));
    execFileSync('touch', ['-r', join(tree, 'sub'), join(copy, 'sub')]);
    execFileSync('touch', ['-r', tree, copy]);
    const { image } = await buildImage(tree, { blockSize: BLOCK });
    const other = await buildImage(copy, { blockSize: BLOCK });
    assert.deepEqual(summary(diffImages(image, other.image)), []);
    assert.ok(other.image.bytes.equals(image.bytes));
  });

  it('is the same of a tar archive of the tree', async () => {
    const archive = join(base, 'tree.tar');
    const { image } = await buildImage(tree, { blockSize: BLOCK });
    execFileSync('tar', ['--format=gnu', '--numeric-owner', '-cf', archive, '-C', tree, '.']);
    const { image: unpacked } = await buildTarImage(createReadStream(archive), {
      blockSize: BLOCK,
    });
    // That format has no time below a second.
    const differences = diffImages(image, unpacked).changes.filter(
      ({ kind, parts }) => kind !== 'changed' || parts.some((part) => part !== 'mtime'),
    );
    assert.deepEqual(differences, []);

    await rm(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0x80])]));
    const utf8 = await buildImage(tree, { blockSize: BLOCK });
    execFileSync('tar', ['--format=pax', '--numeric-owner', '-cf', archive, '-C', tree, '.']);
    const pax = await buildTarImage(createReadStream(archive), { blockSize: BLOCK });
    assert.deepEqual(summary(diffImages(utf8.image, pax.image)), []);
    assert.ok(pax.image.digest.equals(utf8.image.digest));
  });

  it('says what is wrong with an archive', async () => {
    const archive = join(base, 'tree.tar');
    execFileSync('tar', ['--format=gnu', '--sparse', '-cf', archive, '-C', tree, 'sparse']);
    await assert.rejects(buildTarImage(createReadStream(archive)), {
      code: 'UNSUPPORTED',
      message: /'sparse' cannot be taken over/,
    });
    await writeFile(archive, 'this is no archive'.repeat(100));
    await assert.rejects(buildTarImage(createReadStream(archive)), { code: 'UNREADABLE' });
    await assert.rejects(buildTarImage(createReadStream(join(base, 'none.tar'))), {
      code: 'UNREADABLE',
    });
  });

  it('takes a damaged archive, or says in its own words what is wrong', async () => {
    const archive = execFileSync('tar', ['--format=pax', '-cf', '-', '-C', tree, '.']);
    const change = fc.record({
      at: fc.nat({ max: archive.length - 1 }),
      value: fc.nat({ max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const damaged = Buffer.from(archive);
        for (const { at, value } of changes) damaged[at] = value;
        await buildTarImage(Readable.from([damaged]), { blockSize: BLOCK }).catch(
          (error: unknown) => assert.ok(error instanceof ImageError, String(error)),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('records extended attributes of the tree, and not those of the machine', async (t) => {
    const path = join(tree, 'text');
    if (!setXattr(path, 'user.colour', Buffer.from([0, 255, 1]))) {
      t.skip('this file system has no user attributes');
      return;
    }
    setXattr(path, 'trusted.machine', Buffer.from('only root sees it'));
    const { image } = await buildImage(tree);
    assert.deepEqual(image.xattrs(fileid(image, 'text')), [
      { name: 'user.colour', value: Buffer.from([0, 255, 1]) },
    ]);
  });

  it('of one file is a tree with that file', async () => {
    const { image } = await buildFileImage(join(tree, 'blocks'), 'disk.raw', { blockSize: BLOCK });
    assert.deepEqual(image.readdir(image.root), [{ name: 'disk.raw', fileid: 2, cookie: 1 }]);
    assert.equal(image.attributes(2).size, 3 * BLOCK + 5);
    await assert.rejects(buildFileImage(tree, 'x'), { code: 'UNSUPPORTED' });
  });

  it('saved in the tree, changes nothing of the image', async () => {
    const built = await buildImage(tree);
    const path = await saveImageInTree(tree, built);
    assert.deepEqual((await readImage(tree)).digest, built.image.digest, 'the tree stands for it');
    const again = await buildImage(tree);
    assert.ok(again.image.digest.equals(built.image.digest));
    await saveImageInTree(tree, again);
    assert.ok(
      (await readImage(path, { digest: built.image.digest })).bytes.equals(built.image.bytes),
    );
    await assert.rejects(readImage(join(tree, 'text')), {
      code: 'NOT_AN_IMAGE',
      message: /text: /,
    });
    await assert.rejects(readImage(join(tree, 'none')), { code: 'UNREADABLE' });
  });

  it('is not led out of the tree by what the tree calls .rowfs', async () => {
    const elsewhere = join(base, 'elsewhere');
    await mkdir(elsewhere);
    await symlink(elsewhere, join(tree, '.rowfs'));
    const built = await buildImage(tree);
    await assert.rejects(saveImageInTree(tree, built), { code: 'EEXIST' });
  });

  it('says that the tree changed while it was read', async () => {
    const options = { blockSize: BLOCK, signal: undefined, onBytes: () => undefined };
    const { files } = await scanDirectory(tree);
    await appendFile(join(tree, 'text'), '!');
    await assert.rejects(hashFiles(files, options), { code: 'TREE_CHANGED', message: /text/ });
    const again = await scanDirectory(tree);
    await rm(join(tree, 'blocks'));
    await assert.rejects(hashFiles(again.files, options), { code: 'TREE_CHANGED' });
  });

  it('is given up when its signal says so', async () => {
    const signal = AbortSignal.abort();
    await assert.rejects(buildImage(tree, { signal }), { code: 'ABORTED' });
    const { files } = await scanDirectory(tree);
    await assert.rejects(hashFiles(files, { blockSize: BLOCK, signal, onBytes: () => undefined }), {
      code: 'ABORTED',
    });
  });

  describe('after an earlier build', () => {
    const saved = async (): Promise<NonNullable<Awaited<ReturnType<typeof readPrevious>>>> => {
      // What changed within the last second is never trusted.
      await setTimeout(1100);
      const path = join(base, 'manifest');
      await saveImage(path, await buildImage(tree, { blockSize: BLOCK }));
      const previous = await readPrevious(path);
      assert.ok(previous !== undefined);
      return previous;
    };

    it('reads only what was touched', async () => {
      const previous = await saved();
      await appendFile(join(tree, 'text'), ', world');
      await writeFile(join(tree, 'sub', 'new'), 'new');
      const built = await buildImage(tree, { blockSize: BLOCK, previous });
      assert.deepEqual(built.read, { files: 2, bytes: 15 });
      assert.equal(built.reused.files, 4);
      const whole = await buildImage(tree, { blockSize: BLOCK });
      assert.ok(built.image.bytes.equals(whole.image.bytes));
      const diff = diffImages(previous.image, built.image);
      assert.deepEqual(summary(diff), [
        'changed sub mtime',
        'added sub/new',
        'changed sub/other name mtime size content',
        'changed text mtime size content',
      ]);
      assert.deepEqual(diff.newBlocks, { count: 2, bytes: 15 });
    });

    it('is not taken in by a file of the same size and mtime', async () => {
      const previous = await saved();
      const path = join(tree, 'blocks');
      const { mtime } = previous.image.attributes(fileid(previous.image, 'blocks'));
      const file = await open(path, 'r+');
      await file.write('y', BLOCK);
      await file.close();
      setMtime(Buffer.from(path), mtime);
      const built = await buildImage(tree, { blockSize: BLOCK, previous });
      assert.equal(built.read.files, 1);
      assert.deepEqual(diffImages(previous.image, built.image).changes, [
        { kind: 'changed', names: ['blocks'], parts: ['content'], bytes: BLOCK },
      ]);
    });

    it('does not trust a file that may have changed since it was read', async () => {
      await saved();
      await writeFile(join(tree, 'fresh'), 'fresh');
      const path = join(base, 'manifest');
      await saveImage(path, await buildImage(tree, { blockSize: BLOCK }));
      const previous = await readPrevious(path);
      assert.ok(previous !== undefined);
      const built = await buildImage(tree, { blockSize: BLOCK, previous });
      assert.deepEqual(built.read, { files: 1, bytes: 5 });
    });

    it('trusts no stat cache that is damaged, or of another image', async () => {
      await saved();
      const path = join(base, 'manifest');
      const cache = await readFile(`${path}.stat-cache`);
      cache[60]! ^= 1;
      await writeFile(`${path}.stat-cache`, cache);
      assert.equal(await readPrevious(path), undefined);
      const other = await buildImage(join(tree, 'sub'));
      await saveImage(path, { image: other.image, statCache: undefined });
      assert.equal(await readPrevious(path), undefined);
    });
  });
});
