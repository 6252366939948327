import type { Fattr3, PostOpAttr } from '@rowfs/nfs3';
import { AttributeCache } from '../compact/attribute-cache.ts';
import type { NodeId } from './node-handle.ts';

/** About 130 bytes each. */
const MAX_NODES = 200_000;

/**
 * The attributes of nodes, as they were first seen.
 *
 * The tree is immutable, so they stay true, and a client must not see them change because another
 * server answers: replicas of one tree agree in what was copied (type, mode, owner, size, mtime) and
 * differ in what their file systems add (fileid, fsid, ctime, `used`, the size of directories).
 *
 * - fileid and fsid are ours, always.
 * - ctime is given as mtime: it tells when the replica was made, which is nothing about the image, and
 *   is no reason for a client to drop its cache.
 * - The rest stays as first seen while the process lives. After a restart, on another replica, `used`
 *   and the size of directories may be other ones: a client takes that as a change and reads again.
 */
export class PinnedAttributes {
  readonly #fsid: bigint;
  readonly #attributes = new AttributeCache<NodeId>(MAX_NODES);

  constructor(fsid: bigint) {
    this.#fsid = fsid;
  }

  has(node: NodeId): boolean {
    return this.#attributes.has(node);
  }

  get(node: NodeId): Fattr3 | undefined {
    return this.#attributes.get(node);
  }

  /** Pins what a server said, unless the node's attributes are pinned; gives those that are. */
  pin(node: NodeId, seen: Fattr3): Fattr3 {
    const known = this.#attributes.get(node);
    if (known !== undefined) return known;
    const pinned = { ...seen, fsid: this.#fsid, fileid: BigInt(node), ctime: seen.mtime };
    this.#attributes.set(node, pinned);
    return pinned;
  }

  /** For the attributes that come with other answers, where a server may leave them out. */
  pinOptional(node: NodeId, seen: PostOpAttr): PostOpAttr {
    return seen === undefined ? this.get(node) : this.pin(node, seen);
  }
}
