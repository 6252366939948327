import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Image, ImageError, readImage, saveImage } from '@rowfs/image';
import { messageOf, ProxyError } from '../proxy-error.ts';

const DIGEST = /^[0-9a-f]{64}$/;

const manifestsIn = (cacheDirectory: string): string => join(cacheDirectory, 'manifests');

/** Where the manifest of an image is in what all sessions of a machine share; `digest` in hex. */
export function keptManifestPath(cacheDirectory: string, digest: string): string {
  return join(manifestsIn(cacheDirectory), digest);
}

/** Keeps an image's manifest at a path. @throws ProxyError STATE_UNUSABLE */
export async function keepManifest(path: string, image: Image): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await saveImage(path, { image, statCache: undefined });
  } catch (error) {
    throw new ProxyError('STATE_UNUSABLE', `cannot keep ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** The digests, in hex, of the images whose manifests are kept for all sessions. */
export async function keptDigests(cacheDirectory: string): Promise<string[]> {
  const names = await readdir(manifestsIn(cacheDirectory)).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  return names.filter((name) => DIGEST.test(name)).sort();
}

/** Undefined for one that is gone, or damaged: it is fetched again when it is needed. */
export async function readKeptImage(
  cacheDirectory: string,
  digest: string,
): Promise<Image | undefined> {
  try {
    return await readImage(keptManifestPath(cacheDirectory, digest), {
      digest: Buffer.from(digest, 'hex'),
    });
  } catch (error) {
    if (error instanceof ImageError) return undefined;
    throw error;
  }
}

export async function forgetManifest(cacheDirectory: string, digest: string): Promise<void> {
  await rm(keptManifestPath(cacheDirectory, digest), { force: true });
}
