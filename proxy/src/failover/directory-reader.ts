import {
  type DirEntryPlus,
  type Fattr3,
  type Filehandle,
  type Filename,
  type Nfs3Context,
  Nfsstat3,
  type Nfsstat3Error,
  type PostOpAttr,
  type ReaddirplusResult,
} from '@rowfs/nfs3';
import type { MountedTree } from './mounted-tree.ts';
import { type NodeId, ROOT_NODE } from './node-handle.ts';
import type { NodeIdentity } from './node-identity.ts';
import type { NodeWalker } from './node-walker.ts';
import type { PathTable } from './path-table.ts';
import type { PinnedAttributes } from './pinned-attributes.ts';
import { isReserved } from './reserved.ts';

/** Where to go on in a directory, in the server's own terms, and how many bytes it may answer. */
export interface PageRequest {
  readonly cookie: bigint;
  readonly cookieverf: bigint;
  readonly dircount: number;
  readonly maxcount: number;
}

/** An entry of which the node is known. `cookie` is the server's. */
export interface NodeEntry {
  readonly name: Filename;
  readonly cookie: bigint;
  readonly node: NodeId;
  readonly attributes: PostOpAttr;
}

export interface DirectoryPage {
  readonly status: typeof Nfsstat3.OK;
  readonly dirAttributes: PostOpAttr;
  /** The server's. */
  readonly cookieverf: bigint;
  readonly entries: readonly NodeEntry[];
  readonly eof: boolean;
}

/** LOOKUPs at a time, for entries that came without attributes. */
const LOOKUPS_AT_A_TIME = 16;

/**
 * Reads directories of one server as nodes.
 *
 * Even for READDIR it asks with READDIRPLUS: an entry's fileid is the id of its node, and only the
 * attributes tell whether a name is another name of a known one. Servers without READDIRPLUS are asked
 * with READDIR and one LOOKUP per new name.
 */
export class DirectoryReader {
  readonly #table: PathTable;
  readonly #attributes: PinnedAttributes;
  readonly #identity: NodeIdentity;
  readonly #walker: NodeWalker;

  constructor(
    table: PathTable,
    attributes: PinnedAttributes,
    identity: NodeIdentity,
    walker: NodeWalker,
  ) {
    this.#table = table;
    this.#attributes = attributes;
    this.#identity = identity;
    this.#walker = walker;
  }

  async read(
    tree: MountedTree,
    dir: NodeId,
    request: PageRequest,
    ctx: Nfs3Context,
  ): Promise<DirectoryPage | { readonly status: Nfsstat3Error }> {
    const page = await this.#walker.withHandle(tree, dir, ctx, async (handle) => {
      if (tree.hasReaddirplus) {
        const plus = await tree.service.readdirplus({ dir: handle, ...request }, ctx);
        if (plus.status !== Nfsstat3.NOTSUPP) return plus;
        tree.hasReaddirplus = false;
      }
      return readdirAsPlus(tree, handle, request, ctx);
    });
    if (typeof page === 'number') return { status: page };
    if (page.status !== Nfsstat3.OK) return page;
    const entries: NodeEntry[] = [];
    for (let start = 0; start < page.entries.length; start += LOOKUPS_AT_A_TIME) {
      const some = page.entries.slice(start, start + LOOKUPS_AT_A_TIME);
      entries.push(
        ...(await Promise.all(some.map((entry) => this.#entry(tree, dir, entry, ctx)))).flat(),
      );
    }
    const { dirAttributes, cookieverf, eof } = page;
    const last = page.entries.at(-1);
    if (entries.length === 0 && !eof && last !== undefined)
      return this.read(tree, dir, { ...request, cookie: last.cookie, cookieverf }, ctx);
    return { status: Nfsstat3.OK, dirAttributes, cookieverf, entries, eof };
  }

  /** The entry with its node; nothing for the reserved name, and one that READDIR knows and LOOKUP does not. */
  async #entry(
    tree: MountedTree,
    dir: NodeId,
    entry: DirEntryPlus,
    ctx: Nfs3Context,
  ): Promise<NodeEntry[]> {
    if (isReserved(dir, entry.name)) return [];
    const node = await this.#node(tree, dir, entry, ctx);
    if (node === undefined) return [];
    const { name, cookie } = entry;
    return [{ name, cookie, node, attributes: this.#attributes.get(node) }];
  }

  async #node(
    tree: MountedTree,
    parent: NodeId,
    entry: DirEntryPlus,
    ctx: Nfs3Context,
  ): Promise<NodeId | undefined> {
    const { name } = entry;
    if (name === '.') return parent;
    if (name === '..') return this.#table.names(parent)?.[0]?.parent ?? ROOT_NODE;
    const known = this.#table.child(parent, name);
    if (known !== undefined && this.#attributes.has(known)) {
      if (entry.nameHandle !== undefined) tree.keepHandle(known, entry.nameHandle);
      return known;
    }
    const found = await this.#complete(tree, parent, entry, ctx);
    if (found === undefined) return undefined;
    const identified = await this.#identity.identify(tree, { parent, name, ...found }, ctx);
    return identified.status === Nfsstat3.OK ? identified.node : undefined;
  }

  async #complete(
    tree: MountedTree,
    parent: NodeId,
    { name, nameHandle, nameAttributes }: DirEntryPlus,
    ctx: Nfs3Context,
  ): Promise<{ handle: Filehandle; attributes: Fattr3 | undefined } | undefined> {
    if (nameHandle !== undefined) return { handle: nameHandle, attributes: nameAttributes };
    const result = await this.#walker.withHandle(tree, parent, ctx, (dir) =>
      tree.service.lookup({ what: { dir, name } }, ctx),
    );
    if (typeof result === 'number' || result.status !== Nfsstat3.OK) return undefined;
    return { handle: result.object, attributes: result.objAttributes };
  }
}

async function readdirAsPlus(
  tree: MountedTree,
  dir: Filehandle,
  { cookie, cookieverf, dircount }: PageRequest,
  ctx: Nfs3Context,
): Promise<ReaddirplusResult> {
  const result = await tree.service.readdir({ dir, cookie, cookieverf, count: dircount }, ctx);
  if (result.status !== Nfsstat3.OK) return result;
  const entries = result.entries.map((entry) => ({
    ...entry,
    nameAttributes: undefined,
    nameHandle: undefined,
  }));
  return { ...result, entries };
}
