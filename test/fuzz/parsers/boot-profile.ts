import { DIGEST_BYTES, digestOf, type Image, openImage } from '@rowfs/image';
import {
  blocksOfProfile,
  decodeProfile,
  encodeProfile,
  ProfileError,
  profileOfBoot,
} from '@rowfs/proxy';
import fc from 'fast-check';
import { encodeImage } from '../../../packages/image/src/encode.ts';
import { TEST_BLOCK_SIZE, tree } from '../../../packages/image/src/test-support/trees.ts';
import { mustEqual, mustHold, type Parser, unlessRefused } from '../parser.ts';

const profiled = imageWithBlocks();

/** A boot profile as a stranger made it for an image, with a digest at its end that is right. */
export const bootProfile: Parser = {
  name: 'boot-profile',
  description: 'boot profiles of an image, with a digest that is right',
  seeds: (seed) =>
    fc
      .sample(fc.uniqueArray(fc.nat(profiled.blockCount - 1)), { seed, numRuns: 40 })
      .map((firstUses) => encodeProfile(profileOfBoot(profiled, firstUses))),
  run(input) {
    const bytes = Buffer.from(input);
    const trailer = bytes.length - DIGEST_BYTES;
    if (trailer >= 0) bytes.set(digestOf(bytes.subarray(0, trailer)), trailer);
    const profile = unlessRefused([ProfileError], () => decodeProfile(bytes, profiled));
    if (profile === undefined) return;
    const blocks = [...blocksOfProfile(profile)];
    mustEqual(new Set(blocks).size, blocks.length, 'no block is named twice');
    mustHold(
      blocks.every((number) => number >= 0 && number < profiled.blockCount),
      'its blocks are of the image',
    );
    mustEqual(
      decodeProfile(encodeProfile(profile), profiled),
      profile,
      'it is written as it is read',
    );
  },
};

/** One of many that are always the same. */
function imageWithBlocks(): Image {
  const images = fc
    .sample(tree, { seed: 1, numRuns: 100 })
    .map((root) => openImage(encodeImage(root, TEST_BLOCK_SIZE).bytes));
  return images.reduce((a, b) => (b.blockCount > a.blockCount ? b : a));
}
