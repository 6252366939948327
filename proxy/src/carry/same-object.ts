import { Ftype3, listDirectory, Nfs3Error, Nfsstat3 } from '@rowfs/nfs3';
import { compareTimes } from '../shadow/clock.ts';
import { failed, objectAt, type ReadableTree, type WalkedObject } from '../inspect/tree-walk.ts';

const READ_BYTES = 1024 * 1024;

/** The object at a path; undefined when there is none. @throws Nfs3Error */
export async function objectIfThere(
  tree: ReadableTree,
  path: string,
): Promise<WalkedObject | undefined> {
  try {
    return await objectAt(tree, path);
  } catch (error) {
    const isAbsent =
      error instanceof Nfs3Error &&
      (error.status === Nfsstat3.NOENT || error.status === Nfsstat3.NOTDIR);
    if (isAbsent) return undefined;
    throw error;
  }
}

export interface Comparison {
  /** Read files even when size and mtime agree, which are believed otherwise. */
  readonly readAll: boolean;
}

/**
 * In what two objects of two images differ, in a word; undefined when they are the same. mtime alone is no
 * difference; of a directory only its own attributes count.
 *
 * @throws Nfs3Error
 */
export async function differenceOf(
  oldTree: ReadableTree,
  old: WalkedObject,
  newTree: ReadableTree,
  now: WalkedObject,
  { readAll }: Comparison,
): Promise<string | undefined> {
  const [a, b] = [old.attributes, now.attributes];
  if (a.type !== b.type) return 'type';
  if (a.mode !== b.mode) return 'mode';
  if (a.uid !== b.uid || a.gid !== b.gid) return 'owner';
  if (a.type === Ftype3.DIR) return undefined;
  if (a.nlink !== b.nlink) return 'links';
  if (a.type === Ftype3.LNK) {
    const [before, after] = [await textOf(oldTree, old), await textOf(newTree, now)];
    return before === after ? undefined : 'target';
  }
  if (a.type !== Ftype3.REG) {
    const isSame = a.rdev.specdata1 === b.rdev.specdata1 && a.rdev.specdata2 === b.rdev.specdata2;
    return isSame ? undefined : 'device';
  }
  if (a.size !== b.size) return 'contents';
  if (!readAll && compareTimes(a.mtime, b.mtime) === 0) return undefined;
  return (await haveSameContents(oldTree, old, newTree, now)) ? undefined : 'contents';
}

/** The first path, if any, at which two trees differ, in names or objects. @throws Nfs3Error */
export async function differenceBelow(
  oldTree: ReadableTree,
  old: WalkedObject,
  newTree: ReadableTree,
  now: WalkedObject,
): Promise<string | undefined> {
  const difference = await differenceOf(oldTree, old, newTree, now, { readAll: false });
  if (difference !== undefined) return now.path;
  if (old.attributes.type !== Ftype3.DIR) return undefined;
  const [before, after] = [await namesIn(oldTree, old), await namesIn(newTree, now)];
  for (const name of new Set([...before, ...after])) {
    const path = `${now.path}/${name}`;
    if (!before.has(name) || !after.has(name)) return path;
    const child = await objectAt(oldTree, `${old.path}/${name}`);
    const below = await differenceBelow(oldTree, child, newTree, await objectAt(newTree, path));
    if (below !== undefined) return below;
  }
  return undefined;
}

async function namesIn(tree: ReadableTree, { handle }: WalkedObject): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const { name } of listDirectory(tree.service, handle, tree.ctx)) names.add(name);
  return names;
}

async function textOf(
  { service, ctx }: ReadableTree,
  { handle, path }: WalkedObject,
): Promise<string> {
  const result = await service.readlink({ symlink: handle }, ctx);
  if (result.status !== Nfsstat3.OK) throw failed(result.status, path);
  return result.data;
}

/** Of two files of one size. */
async function haveSameContents(
  oldTree: ReadableTree,
  old: WalkedObject,
  newTree: ReadableTree,
  now: WalkedObject,
): Promise<boolean> {
  const { size } = now.attributes;
  for (let offset = 0; offset < size; offset += READ_BYTES) {
    const count = Math.min(READ_BYTES, size - offset);
    const [a, b] = await Promise.all([
      readExactly(oldTree, old, offset, count),
      readExactly(newTree, now, offset, count),
    ]);
    if (!a.equals(b)) return false;
  }
  return true;
}

/** @throws Nfs3Error also when the file ends before. */
async function readExactly(
  { service, ctx }: ReadableTree,
  { handle: file, path }: WalkedObject,
  offset: number,
  count: number,
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (let done = 0; done < count;) {
    const result = await service.read({ file, offset: offset + done, count: count - done }, ctx);
    if (result.status !== Nfsstat3.OK) throw failed(result.status, path);
    if (result.count === 0) throw failed(Nfsstat3.IO, path);
    parts.push(...result.data);
    done += result.count;
  }
  return Buffer.concat(parts);
}
