import { FileType, type Image } from '@rowfs/image';
import type { Filehandle, Filename } from '@rowfs/nfs3';
import { ImageHandles } from '../image-view/handle.ts';
import type { LowerName, LowerNode, LowerPaths } from './lower-paths.ts';

/** Where objects of a verified image are: its manifest knows all of them. */
export class ManifestPaths implements LowerPaths {
  readonly #image: Image;
  readonly #handles: ImageHandles;
  #linked: ReadonlyMap<LowerNode, readonly LowerName[]> | undefined;

  constructor(image: Image) {
    this.#image = image;
    this.#handles = new ImageHandles(image);
  }

  get root(): LowerNode {
    return this.#image.root;
  }

  node(handle: Filehandle): LowerNode | undefined {
    const found = this.#handles.identify(handle);
    return typeof found === 'number' ? undefined : found.fileid;
  }

  handle(node: LowerNode): Filehandle {
    return this.#handles.of(node);
  }

  names(node: LowerNode): readonly LowerName[] | undefined {
    if (!this.#image.has(node)) return undefined;
    if (node === this.root) return [];
    const { type, nlink } = this.#image.attributes(node);
    if (type !== FileType.DIR && nlink > 1)
      return (this.#linked ??= linkedNames(this.#image)).get(node);
    const name = this.#image.path(node).at(-1) ?? '';
    return [{ parent: this.#image.parent(node), name }];
  }

  child(parent: LowerNode, name: Filename): LowerNode | undefined {
    return this.#image.lookup(parent, name);
  }

  path(node: LowerNode): readonly Filename[] | undefined {
    return this.#image.has(node) ? this.#image.path(node) : undefined;
  }
}

/** The names of the files that have several: an inode only says where its first one is. */
function linkedNames(image: Image): Map<LowerNode, LowerName[]> {
  const linked = new Map<LowerNode, LowerName[]>();
  for (let parent = image.root; parent <= image.inodeCount; parent += 1) {
    if (image.attributes(parent).type !== FileType.DIR) continue;
    for (const { name, fileid } of image.readdir(parent)) {
      const { type, nlink } = image.attributes(fileid);
      if (type === FileType.DIR || nlink === 1) continue;
      const names = linked.get(fileid);
      if (names === undefined) linked.set(fileid, [{ parent, name }]);
      else names.push({ parent, name });
    }
  }
  return linked;
}
