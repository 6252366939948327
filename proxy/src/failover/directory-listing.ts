import {
  type DirEntry,
  dirEntryBytes,
  dirEntryPlusBytes,
  type DirEntryPlus,
  failure,
  type Nfs3Context,
  Nfsstat3,
  type Nfsstat3Error,
  type PostOpAttr,
  READDIR_OVERHEAD_BYTES,
  type ReaddirArgs,
  type ReaddirplusArgs,
  type ReaddirplusResult,
  type ReaddirResult,
} from '@rowfs/nfs3';
import { CookieVerifiers } from './cookie-verifiers.ts';
import type { DirectoryPage, DirectoryReader, PageRequest } from './directory-reader.ts';
import type { HeldCalls } from './held-calls.ts';
import type { MountedTree } from './mounted-tree.ts';
import type { NodeCalls } from './node-calls.ts';
import type { NodeHandles, NodeId } from './node-handle.ts';
import type { PathTable } from './path-table.ts';
import type { PinnedAttributes } from './pinned-attributes.ts';

/** Asked of servers for a READDIR, whose entries are smaller than those of the READDIRPLUS below it. */
const PLUS_BYTES_PER_BYTE = 4;
const MAX_PLUS_BYTES = 128 * 1024;

type Listed =
  | { readonly status: Nfsstat3Error }
  | {
      readonly status: typeof Nfsstat3.OK;
      readonly dirAttributes: PostOpAttr;
      readonly cookieverf: bigint;
      readonly entries: readonly DirEntryPlus[];
      readonly eof: boolean;
    };

/**
 * READDIR and READDIRPLUS.
 *
 * A listing belongs to the server that began it: another one has other cookies, in another order.
 * When that server is gone, the cookies are answered BAD_COOKIE, and the client begins again.
 */
export class DirectoryListing {
  readonly #table: PathTable;
  readonly #handles: NodeHandles;
  readonly #attributes: PinnedAttributes;
  readonly #reader: DirectoryReader;
  readonly #nodes: NodeCalls;
  readonly #calls: HeldCalls;
  readonly #verifiers = new CookieVerifiers();

  constructor(parts: {
    readonly table: PathTable;
    readonly handles: NodeHandles;
    readonly attributes: PinnedAttributes;
    readonly reader: DirectoryReader;
    readonly nodes: NodeCalls;
    readonly calls: HeldCalls;
  }) {
    this.#table = parts.table;
    this.#handles = parts.handles;
    this.#attributes = parts.attributes;
    this.#reader = parts.reader;
    this.#nodes = parts.nodes;
    this.#calls = parts.calls;
  }

  async readdir(args: ReaddirArgs, ctx: Nfs3Context): Promise<ReaddirResult> {
    const maxcount = Math.min(args.count * PLUS_BYTES_PER_BYTE, MAX_PLUS_BYTES);
    const limits = { dircount: args.count, maxcount };
    const listed = await this.#list({ ...args, ...limits }, ctx);
    if (listed.status !== Nfsstat3.OK) return failure('readdir', listed.status);
    const plain = listed.entries.map(({ fileid, name, cookie }) => ({ fileid, name, cookie }));
    return fit({ ...listed, entries: plain }, args.count, ({ name }: DirEntry) =>
      dirEntryBytes(name),
    );
  }

  async readdirplus(args: ReaddirplusArgs, ctx: Nfs3Context): Promise<ReaddirplusResult> {
    const listed = await this.#list(args, ctx);
    if (listed.status !== Nfsstat3.OK) return failure('readdirplus', listed.status);
    return fit(listed, args.maxcount, dirEntryPlusBytes);
  }

  async #list(args: ReaddirplusArgs, ctx: Nfs3Context): Promise<Listed> {
    const dir = this.#nodes.node(args.dir);
    if (dir.status !== Nfsstat3.OK) return dir;
    const begun = args.cookie === 0n ? undefined : this.#verifiers.find(args.cookieverf);
    if (args.cookie !== 0n && begun === undefined) return { status: Nfsstat3.BAD_COOKIE };
    const { cookie, dircount, maxcount } = args;
    const request = { cookie, cookieverf: begun?.serverVerf ?? 0n, dircount, maxcount };
    const held = await this.#calls.call(
      (tree, callCtx) => this.#read(tree, dir.node, request, callCtx),
      ctx,
      { only: begun?.tree },
    );
    if (held === 'no-answer')
      return { status: begun === undefined ? Nfsstat3.JUKEBOX : Nfsstat3.BAD_COOKIE };
    if (held.status !== Nfsstat3.OK) return held;
    await this.#table.kept();
    return {
      status: Nfsstat3.OK,
      dirAttributes: this.#attributes.pinOptional(dir.node, held.dirAttributes),
      cookieverf: this.#verifiers.give(held.tree, held.cookieverf),
      entries: held.entries.map(({ name, cookie: next, node, attributes }) => ({
        name,
        cookie: next,
        fileid: BigInt(node),
        nameAttributes: attributes,
        nameHandle: this.#handles.encode(node),
      })),
      eof: held.eof,
    };
  }

  async #read(
    tree: MountedTree,
    dir: NodeId,
    request: PageRequest,
    ctx: Nfs3Context,
  ): Promise<
    (DirectoryPage & { readonly tree: MountedTree }) | { readonly status: Nfsstat3Error }
  > {
    const page = await this.#reader.read(tree, dir, request, ctx);
    return page.status === Nfsstat3.OK ? { ...page, tree } : page;
  }
}

/** Leaves out what goes beyond the client's limit; TOOSMALL when not one entry fits. */
function fit<Entry, Page extends { readonly entries: readonly Entry[]; readonly eof: boolean }>(
  page: Page & { readonly dirAttributes: PostOpAttr },
  maxBytes: number,
  bytesOf: (entry: Entry) => number,
): Page | { readonly status: typeof Nfsstat3.TOOSMALL; readonly dirAttributes: PostOpAttr } {
  let bytes = READDIR_OVERHEAD_BYTES;
  const end = page.entries.findIndex((entry) => (bytes += bytesOf(entry)) > maxBytes);
  if (end === -1) return page;
  if (end === 0) return { status: Nfsstat3.TOOSMALL, dirAttributes: page.dirAttributes };
  return { ...page, entries: page.entries.slice(0, end), eof: false };
}
