import type { Filehandle, Filename } from '@rowfs/nfs3';

/** A number for an object of the image; that of a directory is below those of what is in it. */
export type LowerNode = number;

/** A name of an object in a directory of the image. */
export interface LowerName {
  readonly parent: LowerNode;
  readonly name: Filename;
}

/** Where objects of the image are, told without asking any server. */
export interface LowerPaths {
  readonly root: LowerNode;
  /** The object of a handle of the lower; undefined when it is none of this image. */
  node(handle: Filehandle): LowerNode | undefined;
  handle(node: LowerNode): Filehandle;
  /** All names that are known of an object, none for the root; undefined for an unknown object. */
  names(node: LowerNode): readonly LowerName[] | undefined;
  child(parent: LowerNode, name: Filename): LowerNode | undefined;
  /** The names from the root to an object by its first known name; undefined for an unknown object. */
  path(node: LowerNode): readonly Filename[] | undefined;
}
