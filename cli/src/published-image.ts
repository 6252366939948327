import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  BOOT_PROFILE_PATH,
  digestOf,
  type Image,
  MANIFEST_PATH,
  openImage,
  readImage,
} from '@rowfs/image';
import {
  decodeProfile,
  type ImageServer,
  type PublishedFile as PublishedFileInHex,
  readExportFile,
  serverAddress,
  serverOpener,
} from '@rowfs/proxy';
import type { PublishedFile } from '@rowfs/registry';
import type { Logger } from 'pino';
import { CliError, lineOf } from './errors.ts';

/** The manifest of some two million files. */
const MAX_MANIFEST_BYTES = 256 * 1024 * 1024;
/** How long a server may take to give its manifest. */
const MANIFEST_MS = 120_000;

export interface PublishedImageOptions {
  readonly servers: readonly ImageServer[];
  /** A file that has the manifest, instead of the first server's own. */
  readonly manifest: string | undefined;
  readonly logger: Logger;
}

/**
 * The image that servers are about to be vouched for: each must have its manifest, and the same.
 *
 * @throws CliError NO_MANIFEST, DIFFERENT_TREES; ImageError for a file that is no manifest
 */
export async function imageOfServers(options: PublishedImageOptions): Promise<Image> {
  const { servers, manifest } = options;
  const images = await Promise.all(servers.map((server) => imageOn(server, options)));
  const [first] = images;
  const wanted = manifest === undefined ? first : await readImage(manifest);
  if (wanted === undefined) throw new CliError('NO_MANIFEST', 'no server was named');
  for (const [i, server] of servers.entries()) {
    const digest = images[i]?.digest;
    if (digest?.equals(wanted.digest) === true) continue;
    throw new CliError(
      'DIFFERENT_TREES',
      `${serverAddress(server)} has the image ${hexOf(digest)}, and ${manifest ?? 'the first server'} ${hexOf(wanted.digest)}: copy the tree again, with its .rowfs`,
    );
  }
  return wanted;
}

async function imageOn(server: ImageServer, { logger }: PublishedImageOptions): Promise<Image> {
  const bytes = await readExportFile({
    server,
    openServer: serverOpener(logger),
    path: MANIFEST_PATH,
    size: { atMost: MAX_MANIFEST_BYTES },
    signal: AbortSignal.timeout(MANIFEST_MS),
  }).catch((error: unknown) => {
    throw new CliError(
      'NO_MANIFEST',
      `${lineOf(error)}: run rowfs image build in its tree, or publish with --no-manifest what nobody can verify`,
      { cause: error },
    );
  });
  try {
    return openImage(bytes);
  } catch (error) {
    throw new CliError(
      'NO_MANIFEST',
      `${serverAddress(server)} has no manifest that can be read: ${lineOf(error)}`,
      { cause: error },
    );
  }
}

/** A profile of an image of millions of blocks. */
const MAX_PROFILE_BYTES = 16 * 1024 * 1024;

export interface PublishedProfileOptions {
  readonly servers: readonly ImageServer[];
  /** A file that has the profile, instead of the first server's own. */
  readonly profile: string | undefined;
  readonly image: Image;
  readonly logger: Logger;
}

/**
 * The boot profile that servers have; undefined when none was named and the first server has none.
 *
 * @throws CliError NO_PROFILE when the one that was named is none of this image, or no server has it
 */
export async function profileOfServers(
  options: PublishedProfileOptions,
): Promise<PublishedFile | undefined> {
  const { servers, profile: file, image, logger } = options;
  if (file === undefined) {
    const [first] = servers;
    const bytes = first && (await profileOn(first, logger));
    return bytes && publishedProfile(bytes, image, `${serverAddress(first)}, ${BOOT_PROFILE_PATH}`);
  }
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new CliError('NO_PROFILE', `cannot read ${file}: ${lineOf(error)}`, { cause: error });
  });
  const named = publishedProfile(bytes, image, file);
  for (const server of servers) {
    const there = await profileOn(server, logger);
    if (there !== undefined && there.equals(bytes)) return named;
  }
  throw new CliError(
    'NO_PROFILE',
    `no server has ${file} at ${BOOT_PROFILE_PATH}: copy it there, from where clients fetch it`,
  );
}

async function profileOn(server: ImageServer, logger: Logger): Promise<Buffer | undefined> {
  try {
    return await readExportFile({
      server,
      openServer: serverOpener(logger),
      path: BOOT_PROFILE_PATH,
      size: { atMost: MAX_PROFILE_BYTES },
      signal: AbortSignal.timeout(MANIFEST_MS),
    });
  } catch {
    // Most trees have none.
    return undefined;
  }
}

function publishedProfile(bytes: Buffer, image: Image, where: string): PublishedFile {
  try {
    decodeProfile(bytes, image);
    return { digest: digestOf(bytes), bytes: bytes.length };
  } catch (error) {
    throw new CliError('NO_PROFILE', `${where}: ${lineOf(error)}`, { cause: error });
  }
}

/** Blocks of each server that are read before it is vouched for: finds a server that has one in a hundred wrong. */
const SAMPLED_BLOCKS = 512;

/** Numbers of blocks to read of a server: all, or some that nobody can know before. */
export function blocksToVerify({ blockCount }: Image, all: boolean): number[] {
  if (all || blockCount <= SAMPLED_BLOCKS)
    return Array.from({ length: blockCount }, (_, number) => number);
  const chosen = new Set<number>();
  while (chosen.size < SAMPLED_BLOCKS) chosen.add(randomInt(blockCount));
  return [...chosen].sort((a, b) => a - b);
}

/** What is signed of an image. */
export const publishedManifest = ({ digest, bytes }: Image): PublishedFile => ({
  digest,
  bytes: bytes.length,
});

/** As results show it. */
export const inHex = ({ digest, bytes }: PublishedFile): PublishedFileInHex => ({
  digest: hexOf(digest),
  bytes,
});

export const hexOf = (digest: Uint8Array | undefined): string =>
  Buffer.from(digest ?? []).toString('hex');
