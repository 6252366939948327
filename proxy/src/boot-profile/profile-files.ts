import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Image } from '@rowfs/image';
import { type BootProfile, mergeProfiles, profileOfBoot } from './boot-profile.ts';
import { ProfileError } from './profile-error.ts';
import { decodeProfile, encodeProfile } from './profile-format.ts';

/** Where the profile of an image is, below the directory of all of them. */
export function profilePath(directory: string, image: Image): string {
  return join(directory, image.digest.toString('hex'));
}

/**
 * What earlier boots of the image used; undefined when none was recorded, or what was is damaged.
 *
 * @throws what the file system says.
 */
export async function readProfile(
  directory: string,
  image: Image,
): Promise<BootProfile | undefined> {
  try {
    return decodeProfile(await readFile(profilePath(directory, image)), image);
  } catch (error) {
    if (error instanceof ProfileError) return undefined;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Adds a boot to the profile of its image, and writes it: the whole of it is there, or the one before.
 *
 * @param firstUses numbers of blocks, each once, in the order of their first use.
 * @throws what the file system says.
 */
export async function recordBoot(
  directory: string,
  image: Image,
  firstUses: Iterable<number>,
): Promise<BootProfile> {
  const boot = profileOfBoot(image, firstUses);
  const before = await readProfile(directory, image);
  const profile = before === undefined ? boot : mergeProfiles(before, boot);
  const path = profilePath(directory, image);
  const aside = `${path}.${process.pid}.new`;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  try {
    await writeFile(aside, encodeProfile(profile));
    await rename(aside, path);
  } finally {
    await rm(aside, { force: true });
  }
  return profile;
}
