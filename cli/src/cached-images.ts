import { existsSync } from 'node:fs';
import { type Image, readImage } from '@rowfs/image';
import {
  findImage,
  type ImageServer,
  keptDigests,
  type Pin,
  readKeptImage,
  serverOpener,
} from '@rowfs/proxy';
import { applianceOf, type CommandContext, withRegistry } from './command-context.ts';
import { CliError } from './errors.ts';
import { registryLocator } from './registry-fit.ts';

/** How long the manifest of a version may take to come. */
const MANIFEST_MS = 120_000;
/** Fewer digits of a digest name nothing. */
const MIN_DIGITS = 6;

/** An image that a person named, and who serves it as far as is known. */
export interface NamedImage {
  readonly image: Image;
  /** What people call it. */
  readonly name: string;
  readonly servers: readonly ImageServer[];
}

/**
 * The image that a person means: a manifest's file, the first digits of the digest of an image that was
 * used here, or an appliance, of which the registry tells the version, its manifest and its servers.
 *
 * @throws CliError NO_SUCH_IMAGE, AMBIGUOUS_IMAGE, NO_MANIFEST; ProxyError, RegistryError
 */
export async function imageNamed(
  context: CommandContext,
  text: string,
  version: string | undefined,
): Promise<NamedImage> {
  if (existsSync(text)) return { image: await readImage(text), name: text, servers: [] };
  const kept = await keptImageNamed(context, text);
  if (kept !== undefined) return kept;
  if (/[/.]/.test(text.replace(/@.*/, '')))
    throw new CliError('NO_SUCH_IMAGE', `there is no manifest ${text}`);
  return imageOfAppliance(context, await applianceOf(context, text), version);
}

async function keptImageNamed(
  { cache }: CommandContext,
  text: string,
): Promise<NamedImage | undefined> {
  if (!isDigest(text)) return undefined;
  const [digest, ...others] = (await keptDigests(cache)).filter((each) => each.startsWith(text));
  if (digest === undefined) return undefined;
  if (others.length > 0)
    throw new CliError('AMBIGUOUS_IMAGE', `several images begin with ${text}: say more of it`);
  const image = await readKeptImage(cache, digest);
  return image === undefined ? undefined : { image, name: digest.slice(0, 12), servers: [] };
}

async function imageOfAppliance(
  context: CommandContext,
  appliance: string,
  version: string | undefined,
): Promise<NamedImage> {
  const { cache, logger } = context;
  const signal = AbortSignal.timeout(MANIFEST_MS);
  return withRegistry(context, async (node) => {
    const request = version === undefined ? {} : { version };
    const found = await registryLocator(node, appliance).locate(request, signal);
    const name = `${appliance} ${found.version ?? ''}`.trim();
    const { digest, manifestBytes, servers } = found;
    if (digest === undefined)
      throw new CliError('NO_MANIFEST', `${name} was published without a manifest`);
    const { image } = await findImage({
      digest,
      manifestBytes,
      servers,
      openServer: serverOpener(logger),
      shadow: undefined,
      cacheDirectory: cache,
      signal,
      logger,
    });
    return { image, name, servers };
  });
}

/**
 * The pin that a person means: by its name, or by the first digits of its digest.
 *
 * @throws CliError NOT_PINNED, AMBIGUOUS_IMAGE
 */
export function pinNamed(pins: readonly Pin[], text: string): Pin {
  const meant = pins.filter(
    ({ name, image }) => name === text || (isDigest(text) && image.startsWith(text)),
  );
  const [pin, ...others] = meant;
  if (pin === undefined)
    throw new CliError('NOT_PINNED', `nothing is pinned as '${text}': see rowfs cache ls`);
  if (others.length > 0)
    throw new CliError('AMBIGUOUS_IMAGE', `several pins are called '${text}': give the digest`);
  return pin;
}

const isDigest = (text: string): boolean => /^[0-9a-f]+$/.test(text) && text.length >= MIN_DIGITS;
