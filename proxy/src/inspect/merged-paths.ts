import type { Filename } from '@rowfs/nfs3';
import { ShadowError } from '../shadow/shadow-error.ts';
import { latin1, type Node } from '../shadow/records.ts';
import type { LowerNode, LowerPaths } from './lower-paths.ts';
import type { Scan } from './scan.ts';

/** Where objects are in the merged tree, and where they were in the image: `/a/b`, the root ''. */
export class MergedPaths {
  readonly #scan: Scan;
  readonly #paths: LowerPaths;
  /** By node id in the shadow, and by the negated number of an object of the image. */
  readonly #known = new Map<number, string>();

  constructor(scan: Scan, paths: LowerPaths) {
    this.#scan = scan;
    this.#paths = paths;
  }

  /** Where a recorded name is by now. `directory` is a node id of the shadow. */
  ofName(directory: number, name: Filename): string {
    return `${this.#ofDirectory(directory)}/${name}`;
  }

  /** Where a name of the image is by now; its directory must still be there. */
  ofImageName(parent: LowerNode, name: Filename): string {
    return `${this.#ofImageDirectory(parent)}/${name}`;
  }

  /** Where the image has a name. */
  inImage(parent: LowerNode, name: Filename): string {
    const path = this.#paths.path(parent);
    if (path === undefined) throw broken(`object ${parent} of the image`);
    return [...path.map((each) => `/${each}`), `/${name}`].join('');
  }

  #ofDirectory(id: number): string {
    return this.#remember(id, () => {
      const node = this.#scan.nodes.get(id);
      const [entry] = this.#scan.namesOf.get(id) ?? [];
      if (entry !== undefined) return this.ofName(entry.directory, entry.name);
      const inImage = node?.lower && this.#paths.node(node.lower);
      if (inImage === undefined) throw broken(`node ${id}`);
      return this.#ofImageName(inImage);
    });
  }

  #ofImageDirectory(node: LowerNode): string {
    return this.#remember(-node, () => {
      const changed = this.#changed(node);
      return changed === undefined ? this.#ofImageName(node) : this.#ofDirectory(changed.id);
    });
  }

  /** By the name that the image has for a directory. */
  #ofImageName(node: LowerNode): string {
    if (node === this.#paths.root) return '';
    const [name] = this.#paths.names(node) ?? [];
    if (name === undefined || name.parent >= node) throw broken(`object ${node} of the image`);
    return this.ofImageName(name.parent, name.name);
  }

  #changed(node: LowerNode): Node | undefined {
    const id = this.#scan.lowers.get(latin1(this.#paths.handle(node)));
    return id === undefined ? undefined : this.#scan.nodes.get(id);
  }

  #remember(key: number, find: () => string): string {
    const known = this.#known.get(key);
    if (known === '\0') throw broken(`node ${key}`);
    if (known !== undefined) return known;
    // Met again before it is found, it is within itself.
    this.#known.set(key, '\0');
    const path = find();
    this.#known.set(key, path);
    return path;
  }
}

function broken(what: string): ShadowError {
  return new ShadowError('SHADOW_CORRUPT', `no path leads to ${what}: see what fsck says`);
}
