import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import {
  buildFileImage,
  buildImage,
  buildOciImage,
  type BuildOptions,
  type BuiltImage,
  buildTarImage,
  isOciLayout,
} from '@rowfs/image';
import { CliError, lineOf } from './errors.ts';

/** What an image is built of: a directory, an OCI image layout, a tar archive by its name, or any other
 * file as it is. */
export type ImageSource = 'directory' | 'oci' | 'tar' | 'file';

/** @throws CliError NO_SUCH_FILE */
export async function sourceKind(path: string): Promise<ImageSource> {
  const stats = await stat(path).catch((error: unknown) => {
    throw new CliError('NO_SUCH_FILE', `cannot read ${path}: ${lineOf(error)}`, { cause: error });
  });
  if (stats.isDirectory()) return (await isOciLayout(path)) ? 'oci' : 'directory';
  return /\.(?:tar|tar\.gz|tgz)$/.test(path) ? 'tar' : 'file';
}

type Built = Omit<BuiltImage, 'statCache'> & {
  readonly statCache: BuiltImage['statCache'] | undefined;
};

/** Archives are always read whole. */
const NOT_INCREMENTAL = { statCache: undefined, reused: { files: 0, bytes: 0 } };

/**
 * Builds the image of whatever `path` is.
 *
 * @param name What the only file of the image is called, when it is built of a file; its own name
 *   unless given.
 */
export async function buildFrom(
  path: string,
  kind: ImageSource,
  options: BuildOptions,
  name = Buffer.from(basename(resolve(path))).toString('latin1'),
): Promise<Built> {
  switch (kind) {
    case 'directory':
      return buildImage(path, options);
    case 'file':
      return buildFileImage(path, name, options);
    case 'oci':
      return { ...(await buildOciImage(path, options)), ...NOT_INCREMENTAL };
    case 'tar': {
      const file = createReadStream(path);
      // The last stream's consumer hears of what went wrong in any.
      const archive = /\.(?:gz|tgz)$/.test(path)
        ? pipeline(file, createGunzip(), () => undefined)
        : file;
      return { ...(await buildTarImage(archive, options)), ...NOT_INCREMENTAL };
    }
  }
}
