import { constants } from 'node:fs';
import { mkdir, lstat, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { ImageError } from './error.ts';
import { type Image, openImage } from './image.ts';
import { setMtime } from './libc.ts';
import { MANIFEST_PATH, RESERVED_NAME } from './reserved.ts';
import { StatCache } from './stat-cache.ts';

/** Where the stat cache of a manifest is: beside it. */
export function statCachePath(manifestPath: string): string {
  return `${manifestPath}.stat-cache`;
}

/**
 * Opens a manifest's file, or the one that is in a directory.
 *
 * @throws ImageError UNREADABLE, and what {@link openImage} throws, with the file's name
 */
export async function readImage(
  path: string,
  options: { digest?: Uint8Array } = {},
): Promise<Image> {
  const bytes = await readManifest(path).catch((error: unknown) => {
    throw new ImageError('UNREADABLE', `cannot read ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  });
  try {
    return openImage(bytes, options);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    throw new ImageError(error.code, `${path}: ${error.message}`, { cause: error });
  }
}

async function readManifest(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EISDIR') throw error;
    return readFile(join(path, MANIFEST_PATH));
  }
}

/**
 * Saves an image and its stat cache. Each file is there whole or not at all, whenever the machine
 * stops; the stat cache is first, since a stale one is noticed by its digest.
 */
export async function saveImage(
  path: string,
  { image, statCache }: { image: Image; statCache: StatCache | undefined },
): Promise<void> {
  if (statCache !== undefined) await replaceFile(statCachePath(path), statCache.bytes);
  await replaceFile(path, image.bytes);
}

/**
 * Saves an image in the directory that it was built of, as `.rowfs/manifest`, from where it travels
 * with the export. The root's mtime stays the one that is in the image.
 *
 * @returns The path of the manifest.
 */
export async function saveImageInTree(
  directory: string,
  built: { image: Image; statCache: StatCache },
): Promise<string> {
  const reserved = join(directory, RESERVED_NAME);
  await mkdir(reserved, { mode: 0o755 }).catch(async (error: unknown) => {
    const isThere = await lstat(reserved).then(
      (stats) => stats.isDirectory(),
      () => false,
    );
    // A symbolic link there would lead the manifest out of the tree.
    if (!isThere) throw error;
  });
  setMtime(Buffer.from(directory), built.image.attributes(built.image.root).mtime);
  const path = join(directory, MANIFEST_PATH);
  await saveImage(path, built);
  return path;
}

/** The image and the stat cache that were saved together; undefined when one of them is missing. */
export async function readPrevious(
  path: string,
): Promise<{ image: Image; statCache: StatCache } | undefined> {
  const image = await readImage(path);
  const statCache = await StatCache.read(statCachePath(path), image);
  return statCache === undefined ? undefined : { image, statCache };
}

async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  try {
    const file = await open(temporary, 'wx', 0o644);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  const directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
