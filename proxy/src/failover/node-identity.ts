import {
  type Fattr3,
  type Filehandle,
  type Filename,
  type Nfs3Context,
  type PostOpAttr,
  Nfsstat3,
  type Nfsstat3Error,
} from '@rowfs/nfs3';
import type { MountedTree } from './mounted-tree.ts';
import type { NodeId } from './node-handle.ts';
import { isLinked, type NodeWalker } from './node-walker.ts';
import type { LinkedFile } from './path-records.ts';
import type { PathTable } from './path-table.ts';
import type { PinnedAttributes } from './pinned-attributes.ts';

/** What a server answered for a name. */
export interface FoundName {
  readonly parent: NodeId;
  readonly name: Filename;
  readonly handle: Filehandle;
  readonly attributes: PostOpAttr;
}

export type Identified =
  | { readonly status: typeof Nfsstat3.OK; readonly node: NodeId; readonly attributes: Fattr3 }
  | { readonly status: Nfsstat3Error };

/**
 * Says which node a name stands for, and makes the node when the name is new.
 *
 * All names of a file with hard links are one node. On one server they are told by its fileid. On
 * another server fileids are others, so the files of several names that are known already are looked
 * for there first, by a name that is known, and only then is a new name compared.
 */
export class NodeIdentity {
  readonly #table: PathTable;
  readonly #attributes: PinnedAttributes;
  readonly #walker: NodeWalker;
  /** New names of linked files wait for each other: two at a time could become two nodes. */
  #lastLinked: Promise<unknown> = Promise.resolve();

  constructor(table: PathTable, attributes: PinnedAttributes, walker: NodeWalker) {
    this.#table = table;
    this.#attributes = attributes;
    this.#walker = walker;
  }

  /** The node is in the table, but maybe not on disk: see `PathTable.kept`. */
  async identify(tree: MountedTree, found: FoundName, ctx: Nfs3Context): Promise<Identified> {
    const attributes = found.attributes ?? (await getattr(tree, found.handle, ctx));
    if (typeof attributes === 'number') return { status: attributes };
    if (!isLinked(attributes)) return this.#settle(tree, found, attributes, undefined);
    const linked = { nlink: attributes.nlink, size: attributes.size };
    const known = this.#table.child(found.parent, found.name) ?? tree.linkedFile(attributes);
    if (known !== undefined) return this.#settle(tree, found, attributes, linked);
    const settled = this.#lastLinked.then(async () => {
      await this.#findKnown(tree, linked, ctx);
      return this.#settle(tree, found, attributes, linked);
    });
    this.#lastLinked = settled.catch(() => undefined);
    return settled;
  }

  /** In one turn of the event loop, so that a name becomes a node once. */
  #settle(
    tree: MountedTree,
    { parent, name, handle }: FoundName,
    attributes: Fattr3,
    linked: LinkedFile | undefined,
  ): Identified {
    let node = this.#table.child(parent, name);
    if (node === undefined && linked !== undefined) {
      node = tree.linkedFile(attributes);
      if (node !== undefined) this.#table.addName(node, parent, name);
    }
    node ??= this.#table.add(parent, name, linked);
    if (linked !== undefined) tree.keepLinkedFile(attributes, node);
    tree.keepHandle(node, handle);
    return { status: Nfsstat3.OK, node, attributes: this.#attributes.pin(node, attributes) };
  }

  async #findKnown(tree: MountedTree, linked: LinkedFile, ctx: Nfs3Context): Promise<void> {
    for (const node of this.#table.possibleNodes(linked))
      // A walk keeps the fileid; a file that is not there cannot be the one that was found.
      if (tree.handle(node) === undefined) await this.#walker.handle(tree, node, ctx);
  }
}

async function getattr(
  tree: MountedTree,
  object: Filehandle,
  ctx: Nfs3Context,
): Promise<Fattr3 | Nfsstat3Error> {
  const result = await tree.service.getattr({ object }, ctx);
  return result.status === Nfsstat3.OK ? result.attributes : result.status;
}
