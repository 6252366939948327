import {
  DIGEST_BYTES,
  diffImages,
  digestOf,
  FileType,
  type Image,
  ImageError,
  openImage,
} from '@rowfs/image';
import fc from 'fast-check';
import { encodeImage } from '../../../packages/image/src/encode.ts';
import { TEST_BLOCK_SIZE, tree } from '../../../packages/image/src/test-support/trees.ts';
import { MAX_INPUT_BYTES, mustEqual, mustHold, type Parser, unlessRefused } from '../parser.ts';

/**
 * A manifest as a stranger sends it. The digest at its end is put right first, since anybody can:
 * what is found behind it is what counts.
 */
export const image: Parser = {
  name: 'image',
  description: 'manifests of images, with a digest that is right',
  seeds: (seed) =>
    fc
      .sample(tree, { seed, numRuns: 40 })
      .map((root) => encodeImage(root, TEST_BLOCK_SIZE).bytes)
      .filter(({ length }) => length <= MAX_INPUT_BYTES),
  run(input) {
    const bytes = Buffer.from(input);
    const trailer = bytes.length - DIGEST_BYTES;
    if (trailer >= 0) bytes.set(digestOf(bytes.subarray(0, trailer)), trailer);
    const opened = unlessRefused([ImageError], () => openImage(bytes));
    if (opened === undefined) return;
    visit(opened);
    mustEqual(diffImages(opened, opened).changes, [], 'an image does not differ from itself');
  },
};

/** Asks for all that the image has: it is a tree, and every question has its answer. */
function visit(opened: Image): void {
  const seen = new Set([opened.root]);
  for (const fileid of seen) {
    const { type, size } = opened.attributes(fileid);
    opened.xattrs(fileid);
    opened.path(fileid);
    if (type === FileType.LNK)
      mustHold(opened.readlink(fileid).length === size, 'a target is whole');
    if (type === FileType.REG) visitBlocks(opened, fileid, size);
    if (type !== FileType.DIR) continue;
    for (const entry of opened.readdir(fileid)) {
      mustEqual(opened.lookup(fileid, entry.name), entry.fileid, 'what is listed is found');
      seen.add(entry.fileid);
    }
  }
  mustHold(seen.size === opened.inodeCount, 'every inode has a name');
}

function visitBlocks(opened: Image, fileid: number, size: number): void {
  for (const { first, count, number } of opened.runs(fileid)) {
    const [block] = opened.blocks(fileid, first + count - 1, 1);
    mustEqual(opened.storedBlock(number + count - 1), block, 'a block is found by its number');
    mustHold(block !== undefined && block.offset + block.length <= size, 'a block is in its file');
  }
}
