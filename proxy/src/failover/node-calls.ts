import {
  failure,
  type Filehandle,
  type GetattrResult,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  type Nfsstat3Error,
  type ProcedureName,
  type ResultOf,
} from '@rowfs/nfs3';
import type { HeldCalls } from './held-calls.ts';
import type { MountedTree } from './mounted-tree.ts';
import type { NodeHandles, NodeId } from './node-handle.ts';
import { ROOT_NODE } from './node-handle.ts';
import type { NodeWalker } from './node-walker.ts';
import type { PathTable } from './path-table.ts';
import type { PinnedAttributes } from './pinned-attributes.ts';

/** One procedure on one node, as each server is asked it. */
export interface NodeCall<P extends ProcedureName> {
  readonly procedure: P;
  /** Our handle. */
  readonly object: Filehandle;
  readonly ctx: Nfs3Context;
  /** Asks a server, by its own handle. */
  readonly ask: (
    service: Nfs3Service,
    handle: Filehandle,
    ctx: Nfs3Context,
  ) => Promise<ResultOf<P>>;
  /** Makes what the server said of the node into what the client is told. */
  readonly translate: (result: ResultOf<P>, node: NodeId) => ResultOf<P>;
}

export type KnownNode =
  | { readonly status: typeof Nfsstat3.OK; readonly node: NodeId }
  | { readonly status: Nfsstat3Error };

/** From our handles to held calls on the servers' handles. */
export class NodeCalls {
  readonly #table: PathTable;
  readonly #handles: NodeHandles;
  readonly #attributes: PinnedAttributes;
  readonly #walker: NodeWalker;
  readonly #calls: HeldCalls;

  constructor(
    table: PathTable,
    handles: NodeHandles,
    attributes: PinnedAttributes,
    walker: NodeWalker,
    calls: HeldCalls,
  ) {
    this.#table = table;
    this.#handles = handles;
    this.#attributes = attributes;
    this.#walker = walker;
    this.#calls = calls;
  }

  /** The node of a handle: STALE for one of another table, or one that a power cut took. */
  node(handle: Filehandle): KnownNode {
    const node = this.#handles.decode(handle);
    if (node === 'malformed') return { status: Nfsstat3.BADHANDLE };
    if (node === 'foreign' || !this.#isKnown(node)) return { status: Nfsstat3.STALE };
    return { status: Nfsstat3.OK, node };
  }

  /** GETATTR; of a node that was seen before, without asking anybody. */
  async getattr(object: Filehandle, ctx: Nfs3Context): Promise<GetattrResult> {
    const known = this.node(object);
    if (known.status !== Nfsstat3.OK) return known;
    const pinned = this.#attributes.get(known.node);
    if (pinned !== undefined) return { status: Nfsstat3.OK, attributes: pinned };
    return this.call({
      procedure: 'getattr',
      object,
      ctx,
      ask: (service, handle, callCtx) => service.getattr({ object: handle }, callCtx),
      translate: (result, node) =>
        result.status === Nfsstat3.OK
          ? { ...result, attributes: this.#attributes.pin(node, result.attributes) }
          : result,
    });
  }

  async call<P extends ProcedureName>({
    procedure,
    object,
    ctx,
    ask,
    translate,
  }: NodeCall<P>): Promise<ResultOf<P>> {
    const known = this.node(object);
    if (known.status !== Nfsstat3.OK) return failure(procedure, known.status);
    const { node } = known;
    const askNode = async (tree: MountedTree, callCtx: Nfs3Context): Promise<ResultOf<P>> => {
      const result = await this.#walker.withHandle(tree, node, callCtx, (handle) =>
        ask(tree.service, handle, callCtx),
      );
      return typeof result === 'number' ? failure(procedure, result) : result;
    };
    const held = await this.#calls.call(askNode, ctx);
    if (held === 'no-answer') return failure(procedure, Nfsstat3.JUKEBOX);
    return translate(held, node);
  }

  #isKnown(node: NodeId): boolean {
    return (
      node === ROOT_NODE || this.#attributes.has(node) || this.#table.names(node) !== undefined
    );
  }
}
