import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Image, MANIFEST_PATH, openImage, readImage } from '@rowfs/image';
import type { Logger } from 'pino';
import type { OpenServer } from '../failover/replica.ts';
import type { ImageServer } from '../locator.ts';
import { messageOf } from '../proxy-error.ts';
import { fetchPublished, type WrongServer } from './fetch-published.ts';
import { keepManifest, keptManifestPath } from './kept-manifests.ts';

/** The manifest of some two million files. */
const MAX_MANIFEST_BYTES = 256 * 1024 * 1024;

export interface FindImageOptions {
  /** Of the image, in hex, as its publisher signed it. */
  readonly digest: string;
  /** The size of its manifest, as signed; undefined: only the digest is known. */
  readonly manifestBytes: number | undefined;
  /** Who may have its manifest. */
  readonly servers: readonly ImageServer[];
  readonly openServer: OpenServer;
  /** Of the shadow over it, where the manifest stays as long as the shadow does; undefined: there is none. */
  readonly shadow: string | undefined;
  /** Of what all sessions of the machine share. */
  readonly cacheDirectory: string;
  /** When nothing comes from any server for this time, in ms, it is given up. Default 10 s. */
  readonly silenceMs?: number;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

export interface FoundImage {
  readonly image: Image;
  /** It was here: no server was asked. */
  readonly isKept: boolean;
  /** Servers that have another manifest than the published one. */
  readonly wrong: readonly WrongServer[];
}

/** Where the manifest of a shadow's image is: with it, what is in the shadow can be told without any server. */
export const shadowManifestPath = (shadow: string): string => join(shadow, 'manifest');

/**
 * The image of a digest: as kept with the shadow, as kept for all sessions of this machine, or from one of
 * its servers, and then kept at both places. Whoever has it, it is checked whole before it is used.
 *
 * @throws ProxyError NOT_FETCHABLE, STATE_UNUSABLE
 */
export async function findImage(options: FindImageOptions): Promise<FoundImage> {
  const { digest: hex, manifestBytes, shadow, cacheDirectory, logger } = options;
  const digest = Buffer.from(hex, 'hex');
  const inShadow = shadow === undefined ? undefined : shadowManifestPath(shadow);
  const inCache = keptManifestPath(cacheDirectory, hex);
  for (const path of [inShadow ?? inCache, inCache]) {
    const image = await readKept(path, digest, logger);
    if (image === undefined) continue;
    if (inShadow !== undefined && path !== inShadow) await keepManifest(inShadow, image);
    return { image, isKept: true, wrong: [] };
  }
  const { content: image, wrong } = await fetchPublished({
    ...options,
    path: MANIFEST_PATH,
    size:
      manifestBytes === undefined ? { atMost: MAX_MANIFEST_BYTES } : { published: manifestBytes },
    open: (bytes) => openImage(bytes, { digest }),
  });
  if (inShadow !== undefined) await keepManifest(inShadow, image);
  // The cache only saves time: a full disk there is no reason not to start.
  await keepManifest(inCache, image).catch((error: unknown) => logger.warn(messageOf(error)));
  return { image, isKept: false, wrong };
}

/**
 * Sees that the manifest of a shadow's image is with it, once the image is known.
 *
 * @throws ProxyError STATE_UNUSABLE
 */
export async function keepWithShadow(shadow: string, image: Image, logger: Logger): Promise<void> {
  const path = shadowManifestPath(shadow);
  if ((await readKept(path, image.digest, logger)) === undefined) await keepManifest(path, image);
}

/** Undefined when it is not there, or damaged: then another has it. */
async function readKept(path: string, digest: Buffer, logger: Logger): Promise<Image | undefined> {
  if (!existsSync(path)) return undefined;
  try {
    return await readImage(path, { digest });
  } catch (error) {
    logger.warn(`a kept manifest is fetched again: ${messageOf(error)}`);
    return undefined;
  }
}
