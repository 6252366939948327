import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Image } from '@rowfs/image';
import { replaceFile } from '../store/replace-file.ts';
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

/** One boot, added to the profile of its image again and again as it goes on: it counts once. */
export class BootRecord {
  readonly #directory: string;
  readonly #image: Image;
  /** What others recorded. */
  #before: BootProfile | undefined;
  #written: Buffer | undefined;

  constructor(directory: string, image: Image) {
    this.#directory = directory;
    this.#image = image;
  }

  /**
   * Writes the profile with this boot: the whole of it is there, or the one before.
   *
   * @param firstUses so far: numbers of blocks, each once, in the order of their first use.
   * @throws what the file system says.
   */
  async write(firstUses: Iterable<number>): Promise<BootProfile> {
    const directory = this.#directory;
    const known = await readProfile(directory, this.#image);
    const isOwn = known !== undefined && this.#written?.equals(encodeProfile(known)) === true;
    if (!isOwn) this.#before = known;
    const boot = profileOfBoot(this.#image, firstUses);
    const profile = this.#before === undefined ? boot : mergeProfiles(this.#before, boot);
    const bytes = encodeProfile(profile);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await replaceFile(profilePath(directory, this.#image), bytes);
    this.#written = bytes;
    return profile;
  }
}
