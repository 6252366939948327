import { randomBytes } from 'node:crypto';
import { Ftype3 } from '@rowfs/nfs3';
import type { Change } from '../inspect/changes.ts';
import type { MergedTree } from '../inspect/merged-tree.ts';
import type { Scan } from '../inspect/scan.ts';
import { objectAt } from '../inspect/tree-walk.ts';
import type { Node } from '../shadow/records.ts';
import { compareTimes } from '../shadow/clock.ts';
import { ownContents } from './own-contents.ts';
import { TreeEditor } from './tree-editor.ts';
import type { Conflict } from './verdict.ts';

/**
 * Makes changes, all of which may be made, in a tree that is still as its image.
 *
 * What the image has and is elsewhere now is first set aside, for its new place may be that of something
 * which moves too; then goes what is gone, then everything is put in its place, directories before what is in
 * them. Attributes come last, when nothing changes a time any more.
 *
 * @param changes sorted by path.
 * @returns those that found no place: their directory is not there, or something else is.
 * @throws Nfs3Error
 */
export async function applyChanges(
  tree: MergedTree,
  scan: Scan,
  changes: readonly Change[],
): Promise<Conflict[]> {
  return new Application(tree, scan).run(changes);
}

class Application {
  readonly #tree: MergedTree;
  readonly #editor: TreeEditor;
  readonly #scan: Scan;
  /** A directory that no client sees: the tree is served only afterwards. */
  readonly #aside = `/.aside-${randomBytes(8).toString('hex')}`;
  /** Where names of the image are now that were moved. */
  readonly #moved = new Map<string, string>();
  readonly #conflicts: Conflict[] = [];

  constructor(tree: MergedTree, scan: Scan) {
    this.#tree = tree;
    this.#scan = scan;
    this.#editor = new TreeEditor(tree);
  }

  async run(changes: readonly Change[]): Promise<Conflict[]> {
    const rootTime = (await objectAt(this.#tree, '')).attributes.mtime;
    const renames = changes.filter(({ kind }) => kind === 'renamed');
    if (renames.length > 0) await this.#setAside(renames);
    for (const { kind, path } of changes) if (kind === 'removed') await this.#remove(path);
    for (const { replaces } of changes) if (replaces !== undefined) await this.#remove(replaces);

    const placed: Change[] = [];
    for (const change of changes) if (await this.#place(change)) placed.push(change);
    for (const change of changes)
      if (change.kind === 'linked' && (await this.#link(change))) placed.push(change);
    const done = new Set<number>();
    for (const { path, object } of placed) {
      if (object === undefined || done.has(object.node.id)) continue;
      done.add(object.node.id);
      await this.#fill(path, object.node);
    }
    if (renames.length > 0) await this.#putBack(renames);
    const inOrder = placed.toSorted((a, b) => (a.path < b.path ? 1 : -1));
    for (const { path, object } of inOrder)
      if (object !== undefined) await this.#setAttributes(path, object.node);
    // The root changed when things were set aside in it; with changes of its own it was told above.
    if (!inOrder.some(({ path }) => path === ''))
      await this.#editor.setattr('', { mtime: rootTime });
    return this.#conflicts;
  }

  /** Deepest first, so that each one still is where the image has it. */
  async #setAside(renames: readonly Change[]): Promise<void> {
    await this.#editor.mkdir(this.#aside);
    const deepestFirst = renames.toSorted((a, b) => ((a.from ?? '') < (b.from ?? '') ? 1 : -1));
    for (const [index, { from = '' }] of deepestFirst.entries()) {
      await this.#editor.rename(from, `${this.#aside}/${index}`);
      this.#moved.set(from, `${this.#aside}/${index}`);
    }
  }

  /** Where a name of the image is by now. */
  #where(imagePath: string): string {
    for (let at = imagePath.length; at > 0; at = imagePath.lastIndexOf('/', at - 1)) {
      const moved = this.#moved.get(imagePath.slice(0, at));
      if (moved !== undefined) return moved + imagePath.slice(at);
    }
    return imagePath;
  }

  /** What was set aside from there is not what is there. */
  async #remove(imagePath: string): Promise<void> {
    if (this.#moved.has(imagePath)) return;
    const path = this.#where(imagePath);
    if (await this.#editor.has(path)) await this.#editor.remove(path);
  }

  async #place(change: Change): Promise<boolean> {
    const { kind, path, from, object } = change;
    if (object === undefined || kind === 'removed' || kind === 'linked') return false;
    if (kind === 'changed') return this.#isThere(change);
    if (!(await this.#isFree(change))) return false;
    if (kind === 'added') await this.#editor.make(path, object.node);
    else if (from !== undefined) {
      await this.#editor.rename(this.#where(from), path);
      this.#moved.set(from, path);
    }
    return true;
  }

  async #link(change: Change): Promise<boolean> {
    const { path, object } = change;
    if (!(await this.#isFree(change))) return false;
    for (const name of object?.names ?? []) {
      if (name === path || !(await this.#editor.has(name))) continue;
      await this.#editor.link(name, path);
      return true;
    }
    this.#conflicts.push({ ...nameOf(change), reason: 'the file itself was not carried over' });
    return false;
  }

  async #isThere(change: Change): Promise<boolean> {
    if (await this.#editor.has(change.path)) return true;
    // What only follows from changes in a directory goes with them.
    if (!isIncidental(change))
      this.#conflicts.push({ ...nameOf(change), reason: 'what it is in was not carried over' });
    return false;
  }

  async #isFree(change: Change): Promise<boolean> {
    const { path } = change;
    const directory = path.slice(0, path.lastIndexOf('/'));
    let reason: string | undefined;
    if (!(await this.#editor.has(directory))) reason = `there is no directory ${directory} for it`;
    else if (await this.#editor.has(path)) reason = 'the new version has something else there';
    if (reason !== undefined) this.#conflicts.push({ ...nameOf(change), reason });
    return reason === undefined;
  }

  /**
   * What found no new place goes back to its old one. When that was taken by something that was carried over
   * it shows no more, as on the old machine.
   */
  async #putBack(renames: readonly Change[]): Promise<void> {
    const shallowFirst = renames.toSorted((a, b) => ((a.from ?? '') < (b.from ?? '') ? -1 : 1));
    for (const { from = '' } of shallowFirst) {
      const aside = this.#moved.get(from);
      if (aside?.startsWith(`${this.#aside}/`) !== true) continue;
      this.#moved.delete(from);
      const back = this.#where(from);
      if (!(await this.#editor.has(back))) await this.#editor.rename(aside, back);
    }
    await this.#editor.remove(this.#aside);
  }

  /** Contents, of which only what the shadow has is written; what shows of the image is the new one's. */
  async #fill(path: string, node: Node): Promise<void> {
    if (node.type !== Ftype3.REG) return;
    const { size, lowerLimit, origin } = node;
    if (origin !== undefined && lowerLimit < origin.size)
      await this.#editor.setattr(path, { size: lowerLimit });
    await this.#editor.write(path, ownContents(this.#scan, node));
    const { attributes } = await objectAt(this.#tree, path);
    if (attributes.size !== size) await this.#editor.setattr(path, { size });
  }

  /** Those that were changed here; the others are the new version's. */
  async #setAttributes(path: string, node: Node): Promise<void> {
    const { mode, uid, gid, atime, mtime, origin } = node;
    const changed = {
      ...(mode !== origin?.mode && { mode }),
      ...(uid !== origin?.uid && { uid }),
      ...(gid !== origin?.gid && { gid }),
    };
    const isOther = origin === undefined || compareTimes(mtime, origin.mtime) !== 0;
    await this.#editor.setattr(path, { ...changed, ...(isOther && { atime, mtime }) });
  }
}

/** The time of a directory in which something was changed, and nothing else. */
export function isIncidental({ kind, type, attributes }: Change): boolean {
  return kind === 'changed' && type === 'directory' && attributes.every((each) => each === 'mtime');
}

const nameOf = ({ path, kind }: Change): Pick<Conflict, 'path' | 'kind'> => ({ path, kind });
