import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Image } from '@rowfs/image';
import { digestOf } from '@rowfs/image';
import fc from 'fast-check';
import { BLOCK_SIZE, BlockBench, noise } from '../test-support/block-bench.ts';
import { blocksOfProfile, type BootProfile, mergeProfiles, profileOfBoot } from './boot-profile.ts';
import { ProfileError } from './profile-error.ts';
import { BootRecord, profilePath, readProfile } from './profile-files.ts';
import { decodeProfile, encodeProfile } from './profile-format.ts';

const BLOCKS = 200;
let bench: BlockBench;
let image: Image;
let other: Image;
before(async () => {
  bench = await BlockBench.make();
  image = await bench.image({ file: noise(BLOCKS * BLOCK_SIZE, 1) });
  other = await bench.image({ file: noise(BLOCKS * BLOCK_SIZE, 2) }, 'other');
});
after(() => bench.close());

const boots = fc.uniqueArray(fc.nat(BLOCKS - 1));
const blocks = (profile: BootProfile): number[] => [...blocksOfProfile(profile)];

describe('a boot profile', () => {
  it('is the same after it was written and read', () => {
    fc.assert(
      fc.property(boots, boots, (first, second) => {
        const one = profileOfBoot(image, first);
        assert.deepEqual(blocks(one), first);
        const both = mergeProfiles(one, profileOfBoot(image, second));
        for (const profile of [one, both])
          assert.deepEqual(decodeProfile(encodeProfile(profile), image), profile);
      }),
    );
  });

  it('is compact', () => {
    const profile = profileOfBoot(
      image,
      Array.from({ length: 100 }, (_, i) => 50 + i),
    );
    assert.ok(encodeProfile(profile).length < 90);
  });

  it('keeps the order of its boots, and what two of them used', () => {
    const merged = [
      [1, 2, 3, 9],
      [2, 1, 3, 9],
      [1, 2, 4, 9],
    ]
      .map((uses) => profileOfBoot(image, uses))
      .reduce(mergeProfiles);
    assert.equal(merged.boots, 3);
    assert.deepEqual(blocks(merged), [1, 2, 3, 4, 9]);
    assert.deepEqual(blocks(mergeProfiles(merged, merged)), [1, 2, 3, 4, 9]);
  });

  it('forgets what most boots do without, and weighs the last boots more', () => {
    let profile = profileOfBoot(image, [7, 8]);
    for (let boot = 0; boot < 4; boot += 1)
      profile = mergeProfiles(profile, profileOfBoot(image, [8, 9]));
    assert.deepEqual(blocks(profile), [8, 9]);
    for (let boot = 0; boot < 100; boot += 1)
      profile = mergeProfiles(profile, profileOfBoot(image, [8]));
    assert.deepEqual(blocks(profile), [8]);
    assert.ok(profile.boots <= 16);
  });

  it('of another image, or damaged anywhere, is refused', () => {
    const bytes = encodeProfile(profileOfBoot(image, [5, 6, 1, 100]));
    assert.throws(() => decodeProfile(bytes, other), { code: 'WRONG_IMAGE' });
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= flip;
        assert.throws(() => decodeProfile(damaged, image), ProfileError);
        assert.throws(() => decodeProfile(bytes.subarray(0, at), image), ProfileError);
      }),
    );
  });

  it('that a stranger made names blocks of the image, each once, or is refused', () => {
    const header = encodeProfile(profileOfBoot(image, [])).subarray(0, 44);
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat(6), fc.nat(255)), { maxLength: 40 }), (body) => {
        const bytes = Buffer.concat([header, Buffer.from(body)]);
        let profile: BootProfile;
        try {
          profile = decodeProfile(Buffer.concat([bytes, digestOf(bytes)]), image);
        } catch (error) {
          assert.ok(error instanceof ProfileError);
          return;
        }
        const told = blocks(profile);
        assert.equal(new Set(told).size, told.length);
        assert.ok(told.every((number) => number >= 0 && number < BLOCKS));
      }),
      { numRuns: 2000 },
    );
  });

  it('is recorded for each image, over several boots; a damaged one is begun anew', async () => {
    const directory = join(bench.root, 'profiles');
    assert.equal(await readProfile(directory, image), undefined);
    await new BootRecord(directory, image).write([1, 2]);
    await new BootRecord(directory, image).write([1, 3]);
    await new BootRecord(directory, other).write([4]);
    const found = await readProfile(directory, image);
    assert.deepEqual(found && blocks(found), [1, 2, 3]);
    assert.equal(found?.boots, 2);
    writeFileSync(profilePath(directory, image), 'nonsense');
    assert.equal(await readProfile(directory, image), undefined);
    assert.equal((await new BootRecord(directory, image).write([6])).boots, 1);
  });

  it('has a boot that is written as it goes on once, and those that end meanwhile as well', async () => {
    const directory = join(bench.root, 'profiles of one boot');
    await new BootRecord(directory, image).write([1]);
    const record = new BootRecord(directory, image);
    for (const uses of [
      [1, 5],
      [1, 5, 7],
      [1, 5, 7, 8],
    ]) {
      const profile = await record.write(uses);
      assert.deepEqual([profile.boots, blocks(profile).toSorted()], [2, [...uses].toSorted()]);
    }
    await new BootRecord(directory, image).write([9]);
    const last = await record.write([1, 5, 7, 8, 10]);
    assert.deepEqual(
      blocks(last).toSorted((a, b) => a - b),
      [1, 5, 7, 8, 9, 10],
    );
  });
});
