import { Ftype3, Nfsstat3 } from '@rowfs/nfs3';
import type { Change } from '../inspect/changes.ts';
import type { MergedTree } from '../inspect/merged-tree.ts';
import { parentsOf, planLayer } from './layer-plan.ts';
import { TAR_END, type TarEntry, tarHeader, tarPadding, TarType } from './tar-header.ts';
import { failed, objectAt, objectsBelow, type WalkedObject } from '../inspect/tree-walk.ts';

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
const READ_BYTES = 1024 * 1024;

export interface ExportOptions {
  /** Told of each object that a tar cannot hold: sockets. */
  readonly onSkipped?: (path: string) => void;
}

/**
 * Writes what a machine changed as a layer of an OCI image, a tar that makes the image into the machine's
 * tree: https://github.com/opencontainers/image-spec/blob/main/layer.md
 *
 * @param changes of the tree's shadow, with the mtimes of directories.
 * @throws Nfs3Error when something cannot be read; the tar is cut off then.
 */
export async function* exportLayer(
  tree: MergedTree,
  changes: readonly Change[],
  options: ExportOptions = {},
): AsyncGenerator<Uint8Array> {
  const plan = planLayer(changes);
  for (const path of plan.whiteouts) yield marker(parentOf(path), WHITEOUT + nameOf(path));
  const paths = await allPaths(tree, plan.paths, plan.whole);
  const written = new Map<bigint, string>();
  for (const path of paths) {
    const object = await objectAt(tree, path);
    const { type, nlink, fileid } = object.attributes;
    if (type === Ftype3.SOCK) {
      options.onSkipped?.(path);
      continue;
    }
    const linked = type !== Ftype3.DIR && nlink > 1;
    const first = linked ? written.get(fileid) : undefined;
    yield* entry(tree, object, first);
    if (linked && first === undefined) written.set(fileid, path);
    if (plan.opaque.has(path)) yield marker(path, OPAQUE);
  }
  yield TAR_END;
}

/**
 * The paths to be written, sorted, so that directories come before what is in them. Whole directories
 * are listed, and of files of several names all names are found: a file of which only some were written
 * would become two.
 */
async function allPaths(
  tree: MergedTree,
  planned: ReadonlySet<string>,
  whole: ReadonlySet<string>,
): Promise<string[]> {
  const paths = new Set(planned);
  const missing = new Map<bigint, number>();
  const note = ({ path, attributes }: WalkedObject): void => {
    const { type, nlink, fileid } = attributes;
    paths.add(path);
    if (type !== Ftype3.DIR && nlink > 1) missing.set(fileid, (missing.get(fileid) ?? nlink) - 1);
  };
  const inWhole = (path: string): boolean =>
    [...whole].some((directory) => path.startsWith(`${directory}/`));
  for (const path of planned) if (!inWhole(path)) note(await objectAt(tree, path));
  for (const path of whole) {
    if (inWhole(path)) continue;
    for await (const object of objectsBelow(tree, await objectAt(tree, path))) note(object);
  }
  if ([...missing.values()].some((names) => names > 0))
    for await (const { path, attributes } of objectsBelow(tree, await objectAt(tree, '')))
      if ((missing.get(attributes.fileid) ?? 0) > 0)
        for (const each of [path, ...parentsOf(path)]) paths.add(each);
  return [...paths].sort();
}

/** @param first the path at which the same file was written already. */
async function* entry(
  tree: MergedTree,
  object: WalkedObject,
  first: string | undefined,
): AsyncGenerator<Uint8Array> {
  const { type, mode, uid, gid, size, rdev, mtime } = object.attributes;
  const header: TarEntry = {
    path: tarPath(object.path) + (type === Ftype3.DIR ? '/' : ''),
    type: TAR_TYPES[type] ?? TarType.FILE,
    mode,
    uid,
    gid,
    size: 0,
    mtime,
    ...((type === Ftype3.CHR || type === Ftype3.BLK) && {
      device: { major: rdev.specdata1, minor: rdev.specdata2 },
    }),
  };
  if (first !== undefined) {
    yield tarHeader({ ...header, type: TarType.HARD_LINK, linkPath: tarPath(first) });
  } else if (type === Ftype3.LNK) {
    yield tarHeader({ ...header, linkPath: await textOf(tree, object) });
  } else if (type === Ftype3.REG) {
    yield tarHeader({ ...header, size });
    yield* contentsOf(tree, object);
    yield tarPadding(size);
  } else {
    yield tarHeader(header);
  }
}

async function textOf({ service, ctx }: MergedTree, object: WalkedObject): Promise<string> {
  const result = await service.readlink({ symlink: object.handle }, ctx);
  if (result.status !== Nfsstat3.OK) throw failed(result.status, object.path);
  return result.data;
}

/** Exactly as many bytes as the file's size says. */
async function* contentsOf(
  { service, ctx }: MergedTree,
  { path, handle: file, attributes }: WalkedObject,
): AsyncGenerator<Uint8Array> {
  const { size } = attributes;
  for (let offset = 0; offset < size;) {
    const count = Math.min(READ_BYTES, size - offset);
    const result = await service.read({ file, offset, count }, ctx);
    if (result.status !== Nfsstat3.OK) throw failed(result.status, path);
    if (result.count === 0) throw failed(Nfsstat3.IO, path);
    yield* result.data;
    offset += result.count;
  }
}

const TAR_TYPES: Partial<Record<Ftype3, TarType>> = {
  [Ftype3.DIR]: TarType.DIRECTORY,
  [Ftype3.LNK]: TarType.SYMLINK,
  [Ftype3.CHR]: TarType.CHARACTER,
  [Ftype3.BLK]: TarType.BLOCK,
  [Ftype3.FIFO]: TarType.FIFO,
};

/** An empty file whose name says what is to be hidden. */
function marker(directory: string, name: string): Buffer {
  const path = directory === '' ? name : `${tarPath(directory)}/${name}`;
  const mtime = { seconds: 0, nseconds: 0 };
  return tarHeader({ path, type: TarType.FILE, mode: 0o600, uid: 0, gid: 0, size: 0, mtime });
}

const tarPath = (path: string): string => (path === '' ? '.' : path.slice(1));
const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
