import type { Readable } from 'node:stream';
import { encodeImage } from './encode.ts';
import { DEFAULT_BLOCK_SIZE, FileType } from './format.ts';
import { hashFiles } from './hash-files.ts';
import { type Image, openImage } from './image.ts';
import { lookupPath } from './lookup-path.ts';
import {
  type FileIdentity,
  scanDirectory,
  type ScannedFile,
  type ScannedTree,
  scanFile,
} from './scan-directory.ts';
import { ociLayers, openLayer } from './oci-layout.ts';
import { StatCache } from './stat-cache.ts';
import { unpackTar, type UnpackOptions } from './unpack-tar.ts';
import { UnpackedTree } from './unpacked-tree.ts';
import type { FileContent, TreeInode } from './tree.ts';

export interface BuildOptions {
  /** Bytes: a power of two from 4096 to 1 MiB. */
  readonly blockSize?: number;
  /** An earlier image of the same directory: files that nobody touched since are not read again. */
  readonly previous?: { readonly image: Image; readonly statCache: StatCache };
  readonly signal?: AbortSignal;
  /** Told again and again how many bytes are read, of how many where that is known. */
  readonly onProgress?: (progress: { done: number; total: number | undefined }) => void;
}

export interface BuiltImage {
  readonly image: Image;
  /** What the next build of this directory may be given, with the image. */
  readonly statCache: StatCache;
  /** Files whose content was taken from the previous image, and their bytes. */
  readonly reused: { readonly files: number; readonly bytes: number };
  /** Files whose content was read, and their bytes. */
  readonly read: { readonly files: number; readonly bytes: number };
}

/**
 * Makes the image of a directory, in which nothing may change meanwhile. A `.rowfs` in its root is
 * left out. The same tree gives the same bytes, wherever it is: neither the order in which a
 * directory is listed, nor inode numbers, atime, ctime, holes, sizes of directories, or names of the
 * same file outside of the tree enter.
 *
 * @throws ImageError UNREADABLE, TREE_CHANGED, UNSUPPORTED, ABORTED
 */
export async function buildImage(
  directory: string,
  options: BuildOptions = {},
): Promise<BuiltImage> {
  const began = BigInt(Date.now()) * 1_000_000n;
  return build(await scanDirectory(directory, options), began, options);
}

/** Makes the image of a tree that holds one file, by this name: a disk of a virtual machine. */
export async function buildFileImage(
  file: string,
  name: string,
  options: BuildOptions = {},
): Promise<BuiltImage> {
  const began = BigInt(Date.now()) * 1_000_000n;
  return build(scanFile(file, name), began, options);
}

type UnpackingOptions = Omit<BuildOptions, 'previous'>;

/**
 * Makes the image of the tree that a tar archive would unpack to.
 *
 * @param archive Uncompressed.
 * @throws ImageError UNREADABLE, UNSUPPORTED, ABORTED
 */
export async function buildTarImage(
  archive: Readable,
  options: UnpackingOptions = {},
): Promise<Pick<BuiltImage, 'image' | 'read'>> {
  const tree = new UnpackedTree({ hasWhiteouts: false });
  const { unpacking, blockSize } = unpackingOf(options);
  const read = await unpackTar(archive, tree, unpacking);
  return { image: openImage(encodeImage(tree.root, blockSize).bytes), read };
}

/**
 * Makes the image of the root filesystem of a container: the layers of an OCI image layout, each
 * checked against its digest, one over the other.
 *
 * @param directory With the file `oci-layout` in it, and one image for this machine's architecture.
 * @throws ImageError UNREADABLE, UNSUPPORTED, DIGEST_MISMATCH, ABORTED
 */
export async function buildOciImage(
  directory: string,
  options: UnpackingOptions = {},
): Promise<Pick<BuiltImage, 'image' | 'read'>> {
  const tree = new UnpackedTree({ hasWhiteouts: true });
  const { unpacking, blockSize } = unpackingOf(options);
  const read = { files: 0, bytes: 0 };
  for (const layer of await ociLayers(directory)) {
    tree.beginLayer();
    const { files, bytes } = await unpackTar(await openLayer(layer), tree, unpacking);
    read.files += files;
    read.bytes += bytes;
  }
  return { image: openImage(encodeImage(tree.root, blockSize).bytes), read };
}

function unpackingOf({ blockSize = DEFAULT_BLOCK_SIZE, signal, onProgress }: UnpackingOptions): {
  unpacking: UnpackOptions;
  blockSize: number;
} {
  let done = 0;
  const onBytes = (bytes: number): void => {
    done += bytes;
    onProgress?.({ done, total: undefined });
  };
  return { unpacking: { blockSize, signal, onBytes }, blockSize };
}

async function build(
  tree: ScannedTree,
  began: bigint,
  { blockSize = DEFAULT_BLOCK_SIZE, previous, signal, onProgress }: BuildOptions,
): Promise<BuiltImage> {
  const unread = tree.files.filter((file) => {
    const known = previous === undefined ? undefined : contentBefore(previous, file, blockSize);
    if (known !== undefined) file.inode.content = known;
    return known === undefined;
  });
  const read = { files: unread.length, bytes: bytesOf(unread) };
  let done = 0;
  onProgress?.({ done, total: read.bytes });
  const onBytes = (bytes: number): void => {
    done += bytes;
    onProgress?.({ done, total: read.bytes });
  };
  await hashFiles(unread, { blockSize, signal, onBytes });
  const { bytes, inodes } = encodeImage(tree.root, blockSize);
  const image = openImage(bytes);
  const fileids = new Map<TreeInode, number>();
  inodes.forEach(({ inode }, index) => fileids.set(inode, index + 1));
  const identities = new Map<number, FileIdentity>();
  for (const { inode, identity } of tree.files) identities.set(fileids.get(inode) ?? 0, identity);
  return {
    image,
    statCache: StatCache.of(image, identities, began),
    reused: {
      files: tree.files.length - read.files,
      bytes: bytesOf(tree.files) - read.bytes,
    },
    read,
  };
}

function bytesOf(files: readonly ScannedFile[]): number {
  return files.reduce((sum, { inode }) => sum + inode.size, 0);
}

/** The content that the file had in the previous image, when it is still the same file, untouched. */
function contentBefore(
  { image, statCache }: NonNullable<BuildOptions['previous']>,
  { names, inode, identity }: ScannedFile,
  blockSize: number,
): FileContent | undefined {
  if (image.blockSize !== blockSize) return undefined;
  const fileid = lookupPath(image, names);
  if (fileid === undefined || !statCache.holds(fileid, identity)) return undefined;
  const { type, size, mtime } = image.attributes(fileid);
  if (
    type !== FileType.REG ||
    size !== inode.size ||
    mtime.seconds !== inode.mtime.seconds ||
    mtime.nseconds !== inode.mtime.nseconds
  ) {
    return undefined;
  }
  const runs = image.runs(fileid);
  return {
    runs,
    digests: Buffer.concat(runs.map(({ number, count }) => image.digests(number, count))),
  };
}
