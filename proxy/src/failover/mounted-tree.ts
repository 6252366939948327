import type { Filehandle, Fattr3, Nfs3Service } from '@rowfs/nfs3';
import { HandleCache } from '../compact/handle-cache.ts';
import { type NodeId, ROOT_NODE } from './node-handle.ts';

/** Handles kept per server; one that was dropped is walked to again. */
const MAX_HANDLES = 200_000;

/**
 * The tree as one server has it, from one mount to the next: its root, and what was learnt of its
 * handles and fileids. All of it is only true on this server, and is forgotten with it.
 */
export class MountedTree {
  readonly service: Nfs3Service;
  readonly root: Filehandle;
  /** False once the server answered READDIRPLUS with NOTSUPP. */
  hasReaddirplus = true;
  readonly #handles: HandleCache<NodeId>;
  /** Files of several names by the fileid that the server gives them under each of these. */
  readonly #linkedFiles: Map<string, NodeId>;

  /** `earlier` is the mount before: the same root handle is the same tree, and what is known of it stays true. */
  constructor(service: Nfs3Service, root: Filehandle, earlier: MountedTree | undefined) {
    this.service = service;
    this.root = root;
    const same = earlier !== undefined && Buffer.compare(earlier.root, root) === 0;
    this.#handles = same ? earlier.#handles : new HandleCache(MAX_HANDLES);
    this.#linkedFiles = same ? earlier.#linkedFiles : new Map<string, NodeId>();
  }

  handle(node: NodeId): Filehandle | undefined {
    return node === ROOT_NODE ? this.root : this.#handles.get(node);
  }

  keepHandle(node: NodeId, handle: Filehandle): void {
    if (node !== ROOT_NODE) this.#handles.set(node, handle);
  }

  dropHandle(node: NodeId): void {
    this.#handles.delete(node);
  }

  linkedFile({ fsid, fileid }: Fattr3): NodeId | undefined {
    return this.#linkedFiles.get(`${fsid}:${fileid}`);
  }

  keepLinkedFile({ fsid, fileid }: Fattr3, node: NodeId): void {
    this.#linkedFiles.set(`${fsid}:${fileid}`, node);
  }
}
