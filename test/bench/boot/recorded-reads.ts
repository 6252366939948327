import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MANIFEST_PATH, readImage } from '@rowfs/image';
import { blocksOfProfile, readProfile } from '@rowfs/proxy';
import type { RecordedRead } from '../cold/client.ts';
import { bootTwice } from './sides.ts';

/** What a READ asks for at most. */
const MAX_READ_BYTES = 2 ** 20;

/**
 * What a diskless machine reads of its root as it boots, in the order of first use and in whole blocks: from a boot that
 * is done for it. Its kernel and initrd, which come by HTTP, are left out.
 */
export async function recordedReads(tree: string, directory: string): Promise<RecordedRead[]> {
  const image = await readImage(join(tree, MANIFEST_PATH));
  const profiles = join(directory, 'recorded-profiles');
  await mkdir(profiles);
  const digest = image.digest.toString('hex');
  await bootTwice({ kind: 'manifest', tree, digest, directory, link: {}, keepProfiles: profiles });
  const profile = await readProfile(profiles, image);
  if (profile === undefined) throw new Error('the boot was not recorded');
  const reads: { path: string; offset: number; count: number }[] = [];
  for (const number of blocksOfProfile(profile)) {
    const { fileid, offset, length } = image.storedBlock(number);
    const path = image.path(fileid).join('/');
    if (path.startsWith('boot/')) continue;
    const last = reads.at(-1);
    const isNext = last?.path === path && last.offset + last.count === offset;
    if (isNext && last.count + length <= MAX_READ_BYTES) last.count += length;
    else reads.push({ path, offset, count: length });
  }
  return reads;
}
