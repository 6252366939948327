import {
  failure,
  type Filename,
  Ftype3,
  type LookupArgs,
  type LookupResult,
  type Nfs3Context,
  Nfsstat3,
} from '@rowfs/nfs3';
import { type HeldCalls, isSuspicious } from './held-calls.ts';
import { type NodeHandles, type NodeId, ROOT_NODE } from './node-handle.ts';
import type { NodeCalls } from './node-calls.ts';
import type { Identified, NodeIdentity } from './node-identity.ts';
import type { NodeWalker } from './node-walker.ts';
import type { PathTable } from './path-table.ts';
import type { PinnedAttributes } from './pinned-attributes.ts';
import { isReserved } from './reserved.ts';

/** LOOKUP: a name that was looked up before is answered without a server, for trees do not change. */
export class NameLookup {
  readonly #table: PathTable;
  readonly #handles: NodeHandles;
  readonly #attributes: PinnedAttributes;
  readonly #walker: NodeWalker;
  readonly #identity: NodeIdentity;
  readonly #nodes: NodeCalls;
  readonly #calls: HeldCalls;

  constructor(parts: {
    readonly table: PathTable;
    readonly handles: NodeHandles;
    readonly attributes: PinnedAttributes;
    readonly walker: NodeWalker;
    readonly identity: NodeIdentity;
    readonly nodes: NodeCalls;
    readonly calls: HeldCalls;
  }) {
    this.#table = parts.table;
    this.#handles = parts.handles;
    this.#attributes = parts.attributes;
    this.#walker = parts.walker;
    this.#identity = parts.identity;
    this.#nodes = parts.nodes;
    this.#calls = parts.calls;
  }

  async lookup({ what }: LookupArgs, ctx: Nfs3Context): Promise<LookupResult> {
    const dir = this.#nodes.node(what.dir);
    if (dir.status !== Nfsstat3.OK) return failure('lookup', dir.status);
    const found = await this.#found(dir.node, what.name, ctx);
    const dirAttributes = this.#attributes.get(dir.node);
    if (found.status !== Nfsstat3.OK) return { status: found.status, dirAttributes };
    return {
      status: Nfsstat3.OK,
      object: this.#handles.encode(found.node),
      objAttributes: found.attributes,
      dirAttributes,
    };
  }

  async #found(dir: NodeId, name: Filename, ctx: Nfs3Context): Promise<Identified> {
    if (name === '.' || name === '..') return this.#dots(dir, name, ctx);
    if (isReserved(dir, name)) return this.#hidden(ctx);
    const node = this.#table.child(dir, name);
    const attributes = node === undefined ? undefined : this.#attributes.get(node);
    if (node !== undefined && attributes !== undefined)
      return { status: Nfsstat3.OK, node, attributes };
    return this.#ask(dir, name, ctx);
  }

  async #ask(dir: NodeId, name: Filename, ctx: Nfs3Context): Promise<Identified> {
    const held = await this.#calls.call<Identified>(
      async (tree, callCtx) => {
        const result = await this.#walker.withHandle(tree, dir, callCtx, (handle) =>
          tree.service.lookup({ what: { dir: handle, name } }, callCtx),
        );
        if (typeof result === 'number') return { status: result };
        if (result.dirAttributes !== undefined) this.#attributes.pin(dir, result.dirAttributes);
        if (result.status !== Nfsstat3.OK) return { status: result.status };
        const { object: handle, objAttributes: attributes } = result;
        return this.#identity.identify(tree, { parent: dir, name, handle, attributes }, callCtx);
      },
      ctx,
      {
        // A replica that lacks what another one had is not to be believed.
        isDoubtful: (result) =>
          isSuspicious(result) ||
          (result.status === Nfsstat3.NOENT && this.#table.child(dir, name) !== undefined),
      },
    );
    if (held === 'no-answer') return { status: Nfsstat3.JUKEBOX };
    await this.#table.kept();
    return held;
  }

  /** NOENT, with the attributes of the root as any other name would have it. */
  async #hidden(ctx: Nfs3Context): Promise<Identified> {
    const root = await this.#nodes.getattr(this.#handles.encode(ROOT_NODE), ctx);
    return { status: root.status === Nfsstat3.OK ? Nfsstat3.NOENT : root.status };
  }

  /** `.` and `..` are not asked for: what is above the root is the server's, not the tree's. */
  async #dots(dir: NodeId, name: '.' | '..', ctx: Nfs3Context): Promise<Identified> {
    const self = await this.#nodes.getattr(this.#handles.encode(dir), ctx);
    if (self.status !== Nfsstat3.OK) return self;
    if (self.attributes.type !== Ftype3.DIR) return { status: Nfsstat3.NOTDIR };
    if (name === '.') return { ...self, node: dir };
    const parent = this.#table.names(dir)?.[0]?.parent ?? ROOT_NODE;
    const above = await this.#nodes.getattr(this.#handles.encode(parent), ctx);
    return above.status === Nfsstat3.OK ? { ...above, node: parent } : above;
  }
}
