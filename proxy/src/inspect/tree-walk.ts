import {
  type Fattr3,
  type Filehandle,
  Ftype3,
  listDirectory,
  Nfs3Error,
  Nfsstat3,
  type Nfsstat3Error,
  walk,
} from '@rowfs/nfs3';
import type { MergedTree } from './merged-tree.ts';

/** A tree to be read, image or merged. */
export type ReadableTree = Pick<MergedTree, 'service' | 'root' | 'ctx'>;

/** An object of a tree, at one of its paths: `/a/b`, the root ''. */
export interface WalkedObject {
  readonly path: string;
  readonly handle: Filehandle;
  readonly attributes: Fattr3;
}

/** The object at a path. @throws Nfs3Error */
export async function objectAt(tree: ReadableTree, path: string): Promise<WalkedObject> {
  const { service, root, ctx } = tree;
  const found = await walk(service, root, path.split('/').slice(1), ctx);
  if (found.status !== Nfsstat3.OK) throw failed(found.status, path);
  const attributes = await attributesOf(tree, found.object, path);
  return { path, handle: found.object, attributes };
}

/** Everything below a directory, each directory before what is in it. @throws Nfs3Error */
export async function* objectsBelow(
  tree: ReadableTree,
  directory: WalkedObject,
): AsyncGenerator<WalkedObject> {
  for await (const entry of listDirectory(tree.service, directory.handle, tree.ctx)) {
    const path = `${directory.path}/${entry.name}`;
    const object =
      entry.nameHandle === undefined
        ? await objectAt(tree, path)
        : {
            path,
            handle: entry.nameHandle,
            attributes: entry.nameAttributes ?? (await attributesOf(tree, entry.nameHandle, path)),
          };
    yield object;
    if (object.attributes.type === Ftype3.DIR) yield* objectsBelow(tree, object);
  }
}

async function attributesOf(
  { service, ctx }: ReadableTree,
  object: Filehandle,
  path: string,
): Promise<Fattr3> {
  const result = await service.getattr({ object }, ctx);
  if (result.status !== Nfsstat3.OK) throw failed(result.status, path);
  return result.attributes;
}

export function failed(status: Nfsstat3Error, path: string): Nfs3Error {
  return new Nfs3Error(status, `reading ${path === '' ? '/' : path}`);
}
