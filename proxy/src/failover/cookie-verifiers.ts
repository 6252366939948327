import { randomBytes } from 'node:crypto';
import type { Verf3 } from '@rowfs/nfs3';
import { LRUCache } from 'lru-cache';
import type { MountedTree } from './mounted-tree.ts';

/** Directories that may be in the middle of being listed; one too many starts again. */
const MAX_LISTINGS = 10_000;

/**
 * The cookie verifiers that clients get: each stands for one server, one mount of it, and the
 * server's own verifier, so that a cookie of one server is never shown to another.
 */
export class CookieVerifiers {
  readonly #byVerifier = new LRUCache<Verf3, { tree: MountedTree; serverVerf: Verf3 }>({
    max: MAX_LISTINGS,
  });
  readonly #byTree = new WeakMap<MountedTree, LRUCache<Verf3, Verf3>>();
  #next = randomBytes(8).readBigUInt64BE();

  /** The verifier for cookies that `tree` gave together with `serverVerf`. */
  give(tree: MountedTree, serverVerf: Verf3): Verf3 {
    let verifiers = this.#byTree.get(tree);
    if (verifiers === undefined) {
      verifiers = new LRUCache({ max: MAX_LISTINGS });
      this.#byTree.set(tree, verifiers);
    }
    const known = verifiers.get(serverVerf);
    if (known !== undefined && this.#byVerifier.get(known) !== undefined) return known;
    const verifier = this.#next;
    this.#next = BigInt.asUintN(64, this.#next + 1n);
    verifiers.set(serverVerf, verifier);
    this.#byVerifier.set(verifier, { tree, serverVerf });
    return verifier;
  }

  /** What a verifier stands for; undefined for one of an earlier run, or one that was dropped. */
  find(verifier: Verf3): { readonly tree: MountedTree; readonly serverVerf: Verf3 } | undefined {
    return this.#byVerifier.get(verifier);
  }
}
