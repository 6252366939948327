import {
  type Filehandle,
  Ftype3,
  listDirectory,
  Nfs3Error,
  Nfsstat3,
  type Nfsstat3Error,
  type Sattr3,
  StableHow,
  UNCHANGED,
} from '@rowfs/nfs3';
import type { MergedTree } from '../inspect/merged-tree.ts';
import { objectAt } from '../inspect/tree-walk.ts';
import type { Node } from '../shadow/records.ts';
import { objectIfThere } from './same-object.ts';

/** Changes a tree by paths, as its client would. @throws Nfs3Error from every method */
export class TreeEditor {
  readonly #tree: MergedTree;

  constructor(tree: MergedTree) {
    this.#tree = tree;
  }

  async has(path: string): Promise<boolean> {
    return (await objectIfThere(this.#tree, path)) !== undefined;
  }

  /** Makes an object of the node's type, without its contents and attributes. */
  async make(path: string, { type, rdev, target }: Node): Promise<void> {
    const where = await this.#where(path);
    const { service, ctx } = this.#tree;
    const attributes = UNCHANGED;
    if (type === Ftype3.DIR) {
      check(await service.mkdir({ where, attributes }, ctx), path);
    } else if (type === Ftype3.LNK) {
      const link = { where, symlinkAttributes: attributes, symlinkData: target };
      check(await service.symlink(link, ctx), path);
    } else if (type === Ftype3.REG) {
      const how = { mode: 'guarded', objAttributes: attributes } as const;
      check(await service.create({ where, how }, ctx), path);
    } else if (type === Ftype3.CHR || type === Ftype3.BLK) {
      check(await service.mknod({ where, what: { type, attributes, spec: rdev } }, ctx), path);
    } else {
      check(await service.mknod({ where, what: { type, attributes } }, ctx), path);
    }
  }

  async mkdir(path: string): Promise<void> {
    const where = await this.#where(path);
    const args = { where, attributes: { ...UNCHANGED, mode: 0o700 } };
    check(await this.#tree.service.mkdir(args, this.#tree.ctx), path);
  }

  async rename(from: string, to: string): Promise<void> {
    const args = { from: await this.#where(from), to: await this.#where(to) };
    check(await this.#tree.service.rename(args, this.#tree.ctx), to);
  }

  async link(file: string, path: string): Promise<void> {
    const args = { file: await this.#handle(file), link: await this.#where(path) };
    check(await this.#tree.service.link(args, this.#tree.ctx), path);
  }

  /** With all that is in it, when it is a directory. */
  async remove(path: string): Promise<void> {
    const { service, ctx } = this.#tree;
    const { attributes, handle } = await objectAt(this.#tree, path);
    const object = await this.#where(path);
    if (attributes.type !== Ftype3.DIR) {
      check(await service.remove({ object }, ctx), path);
      return;
    }
    const names: string[] = [];
    for await (const { name } of listDirectory(service, handle, ctx)) names.push(name);
    for (const name of names) await this.remove(`${path}/${name}`);
    check(await service.rmdir({ object }, ctx), path);
  }

  async setattr(path: string, wanted: Partial<Sattr3>): Promise<void> {
    const object = await this.#handle(path);
    const newAttributes = { ...UNCHANGED, ...wanted };
    const args = { object, newAttributes, guard: undefined };
    check(await this.#tree.service.setattr(args, this.#tree.ctx), path);
  }

  /** Stable only when the tree was closed. */
  async write(path: string, pieces: AsyncIterable<Piece>): Promise<void> {
    const file = await this.#handle(path);
    for await (const { offset, bytes } of pieces) {
      const args = { file, offset, count: bytes.length, data: [bytes] };
      const { service, ctx } = this.#tree;
      check(await service.write({ ...args, stable: StableHow.UNSTABLE }, ctx), path);
    }
  }

  async #handle(path: string): Promise<Filehandle> {
    return (await objectAt(this.#tree, path)).handle;
  }

  async #where(path: string): Promise<{ dir: Filehandle; name: string }> {
    const slash = path.lastIndexOf('/');
    return { dir: await this.#handle(path.slice(0, slash)), name: path.slice(slash + 1) };
  }
}

/** Bytes of a file, from an offset on. */
export interface Piece {
  readonly offset: number;
  readonly bytes: Buffer;
}

function check({ status }: { readonly status: number }, path: string): void {
  if (status !== Nfsstat3.OK) throw new Nfs3Error(status as Nfsstat3Error, `carrying over ${path}`);
}
