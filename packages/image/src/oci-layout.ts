import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { pipeline as wholePipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { z } from 'zod';
import { ImageError } from './error.ts';

/** OCI image spec 1.1, "Content Descriptors". */
const descriptor = z.object({
  mediaType: z.string(),
  // The digest is also a path below blobs/.
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  platform: z.object({ os: z.string(), architecture: z.string() }).optional(),
});
type Descriptor = z.infer<typeof descriptor>;

const index = z.object({ manifests: z.array(descriptor).min(1) });
const manifest = z.object({ layers: z.array(descriptor).min(1) });

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };
/** An index may name indexes, but nobody needs more than this. */
const MAX_INDEXES = 4;

/** A layer of an image: a tar archive, perhaps compressed. */
export interface OciLayer {
  readonly path: string;
  readonly mediaType: string;
}

/** Whether the directory is an OCI image layout (OCI image spec 1.1, "Image Layout"). */
export async function isOciLayout(directory: string): Promise<boolean> {
  return access(join(directory, 'oci-layout')).then(
    () => true,
    () => false,
  );
}

/**
 * The layers of the layout's only image, or of its only one for this machine, the lowest first. Every
 * blob on the way is checked against its digest, the layers too.
 *
 * @throws ImageError UNREADABLE, UNSUPPORTED, DIGEST_MISMATCH
 */
export async function ociLayers(directory: string): Promise<OciLayer[]> {
  const blob = ({ digest }: Descriptor): string => join(directory, 'blobs', ...digest.split(':'));
  let document = await readJson(join(directory, 'index.json'));
  for (let depth = 0; ; depth += 1) {
    const { data } = index.safeParse(document);
    if (data === undefined) break;
    if (depth === MAX_INDEXES)
      throw new ImageError('UNSUPPORTED', `${directory}: too many indexes`);
    const chosen = choose(data.manifests, directory);
    await checkBlob(blob(chosen), chosen);
    document = await readJson(blob(chosen));
  }
  const { data } = manifest.safeParse(document);
  if (data === undefined) {
    throw new ImageError(
      'UNSUPPORTED',
      `${directory} is no OCI image with layers that are known here`,
    );
  }
  return Promise.all(
    data.layers.map(async (layer) => {
      await checkBlob(blob(layer), layer);
      return { path: blob(layer), mediaType: layer.mediaType };
    }),
  );
}

function choose(manifests: readonly Descriptor[], directory: string): Descriptor {
  const architecture = architectures[process.arch] ?? process.arch;
  const fitting = manifests.filter(
    ({ platform }) => platform?.os === 'linux' && platform.architecture === architecture,
  );
  const [chosen, ...others] = manifests.length === 1 ? manifests : fitting;
  if (chosen === undefined || others.length > 0) {
    throw new ImageError(
      'UNSUPPORTED',
      `${directory} has ${fitting.length} images for linux/${architecture}: leave only the one that is meant`,
    );
  }
  return chosen;
}

/** The archive of a layer, uncompressed. */
export async function openLayer({ path, mediaType }: OciLayer): Promise<Readable> {
  const file = createReadStream(path);
  if (mediaType.endsWith('.tar')) return file;
  if (/\.tar[+.]gzip$/.test(mediaType)) {
    // Errors of either stream come out at its end.
    return pipeline(file, createGunzip(), () => undefined);
  }
  file.destroy();
  throw new ImageError(
    'UNSUPPORTED',
    `a layer is of the kind ${mediaType}, which is not known here`,
  );
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new ImageError('UNREADABLE', `cannot read ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function checkBlob(path: string, { digest }: Descriptor): Promise<void> {
  const hash = createHash('sha256');
  try {
    await wholePipeline(createReadStream(path), hash);
  } catch (error) {
    throw new ImageError('UNREADABLE', `cannot read ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (`sha256:${hash.digest('hex')}` !== digest) {
    throw new ImageError('DIGEST_MISMATCH', `${path} is not what its name says: fetch it again`);
  }
}
