import {
  type Fattr3,
  type Filehandle,
  Ftype3,
  type Nfs3Context,
  Nfsstat3,
  type Nfsstat3Error,
} from '@rowfs/nfs3';
import { FailoverError } from './failover-error.ts';
import type { MountedTree } from './mounted-tree.ts';
import { type NodeId, ROOT_NODE } from './node-handle.ts';
import type { NodeName } from './path-records.ts';
import type { PathTable } from './path-table.ts';
import type { PinnedAttributes } from './pinned-attributes.ts';
import { ROOT_CREDENTIAL } from '../root-credential.ts';

/** Finds nodes on a server: by the handle that the server gave, or by walking to one of their names. */
export class NodeWalker {
  readonly #table: PathTable;
  readonly #attributes: PinnedAttributes;

  constructor(table: PathTable, attributes: PinnedAttributes) {
    this.#table = table;
    this.#attributes = attributes;
  }

  /**
   * Calls with the server's handle of a node. A handle that the server has forgotten is walked to
   * again, once.
   *
   * @returns the status alone when the server does not have the node; STALE when it is not there.
   */
  async withHandle<R extends { readonly status: number }>(
    tree: MountedTree,
    node: NodeId,
    ctx: Nfs3Context,
    call: (handle: Filehandle) => Promise<R>,
  ): Promise<R | Nfsstat3Error> {
    for (let walks = 0; ; walks++) {
      const handle = await this.handle(tree, node, ctx);
      if (typeof handle === 'number') return handle;
      const result = await call(handle);
      if (result.status !== Nfsstat3.STALE && result.status !== Nfsstat3.BADHANDLE) return result;
      if (node === ROOT_NODE)
        throw new FailoverError('WRONG_ANSWER', 'the server has forgotten the root it gave to MNT');
      tree.dropHandle(node);
      if (walks > 0) return result;
    }
  }

  /** The server's handle of a node. */
  async handle(
    tree: MountedTree,
    node: NodeId,
    ctx: Nfs3Context,
  ): Promise<Filehandle | Nfsstat3Error> {
    const known = tree.handle(node);
    if (known !== undefined) return known;
    let status: Nfsstat3Error = Nfsstat3.STALE;
    for (const name of this.#table.names(node) ?? []) {
      let found = await this.#lookup(tree, name, ctx);
      // Who was let in to an open file may not be let through the directories above it.
      if (found === Nfsstat3.ACCES || found === Nfsstat3.PERM)
        found = await this.#lookup(tree, name, { ...ctx, credential: ROOT_CREDENTIAL });
      if (typeof found === 'number') {
        if (found !== Nfsstat3.NOENT && found !== Nfsstat3.NOTDIR) status = found;
        continue;
      }
      const { object, objAttributes } = found;
      if (objAttributes !== undefined) {
        if (!this.#isSameObject(node, objAttributes)) continue;
        if (isLinked(objAttributes)) tree.keepLinkedFile(objAttributes, node);
      }
      tree.keepHandle(node, object);
      return object;
    }
    return status;
  }

  async #lookup(
    tree: MountedTree,
    { parent, name }: NodeName,
    ctx: Nfs3Context,
  ): Promise<{ object: Filehandle; objAttributes: Fattr3 | undefined } | Nfsstat3Error> {
    const result = await this.withHandle(tree, parent, ctx, (dir) =>
      tree.service.lookup({ what: { dir, name } }, ctx),
    );
    if (typeof result === 'number') return result;
    return result.status === Nfsstat3.OK ? result : result.status;
  }

  /** Another type, or a file of another length, is another object under the same name. */
  #isSameObject(node: NodeId, seen: Fattr3): boolean {
    const known = this.#attributes.get(node);
    if (known === undefined) return true;
    return known.type === seen.type && (known.type !== Ftype3.REG || known.size === seen.size);
  }
}

/** Whether an object has more names than the one it was found by. */
export function isLinked({ type, nlink }: Fattr3): boolean {
  return type !== Ftype3.DIR && nlink > 1;
}
