import type { Change } from '../inspect/changes.ts';
import { objectAt, type ReadableTree } from '../inspect/tree-walk.ts';
import { differenceBelow, differenceOf, objectIfThere } from './same-object.ts';

/** Why a change cannot be carried over to another version. */
export interface Conflict {
  /** Of the change, and what it is: see {@link Change}. */
  readonly path: string;
  readonly kind: Change['kind'];
  /** In a sentence, for people. */
  readonly reason: string;
}

/** What becomes of a change: it is carried over, is so already in the new version, or cannot be. */
export type Verdict = 'carry' | 'settled' | { readonly reason: string };

/**
 * Judges changes over an old image by what a new one is: what both images have alike may change as it did,
 * what the new one changed itself is a conflict.
 */
export class Judge {
  readonly #old: ReadableTree;
  readonly #new: ReadableTree;
  /** By node: names of one object share its fate. */
  readonly #objects = new Map<number, Verdict>();

  /** Both are images as they are served, without a shadow. */
  constructor(oldImage: ReadableTree, newImage: ReadableTree) {
    this.#old = oldImage;
    this.#new = newImage;
  }

  /** @throws Nfs3Error when an image cannot be read */
  async judge(change: Change): Promise<Verdict> {
    const { object, kind, path, replaces } = change;
    if (object === undefined) return this.#removal(path);
    const own = await this.#object(change);
    if (own !== 'carry') return own;
    if (kind === 'removed') return this.#removal(path);
    if (replaces === undefined) return 'carry';
    const replaced = await this.#removal(replaces);
    return replaced === 'settled' ? 'carry' : replaced;
  }

  /** Whether the image's object is what it was, under all the names that it had. */
  async #object({ object, contents }: Change): Promise<Verdict> {
    const { node, imageNames = [] } = object ?? {};
    if (node === undefined || imageNames.length === 0) return 'carry';
    const known = this.#objects.get(node.id);
    if (known !== undefined) return known;
    const verdict = await this.#compare(imageNames, contents !== undefined);
    this.#objects.set(node.id, verdict);
    return verdict;
  }

  async #compare(imageNames: readonly string[], readAll: boolean): Promise<Verdict> {
    let fileid: bigint | undefined;
    for (const path of imageNames) {
      const old = await objectAt(this.#old, path);
      const now = await objectIfThere(this.#new, path);
      if (now === undefined) return { reason: `the new version has no ${path}` };
      // Names of one file, and it was compared under the first.
      if (fileid === now.attributes.fileid) continue;
      if (fileid !== undefined) return { reason: `the new version has another file at ${path}` };
      fileid = now.attributes.fileid;
      const difference = await differenceOf(this.#old, old, this.#new, now, { readAll });
      if (difference !== undefined)
        return { reason: `the new version changed ${path} itself: ${difference}` };
    }
    return 'carry';
  }

  /** Whether a name of the image, and all below it, may go. */
  async #removal(path: string): Promise<Verdict> {
    const now = await objectIfThere(this.#new, path);
    if (now === undefined) return 'settled';
    const old = await objectAt(this.#old, path);
    const difference = await differenceBelow(this.#old, old, this.#new, now);
    if (difference === undefined) return 'carry';
    return { reason: `the new version changed ${difference}` };
  }
}
