import { StableHow } from '@rowfs/nfs3';

/** One change of a tree, by paths from its root: `name` or `directory/name`. */
export type Operation =
  | { readonly kind: 'create'; readonly path: string; readonly how: CreateMode }
  /** CREATE, unchecked, with size 0, of a file that is there. */
  | { readonly kind: 'empty'; readonly path: string }
  | { readonly kind: 'mkdir'; readonly path: string }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | { readonly kind: 'fifo'; readonly path: string }
  | { readonly kind: 'link'; readonly from: string; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly path: string }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'rmdir'; readonly path: string }
  | { readonly kind: 'chmod'; readonly path: string; readonly mode: number }
  | { readonly kind: 'utimes'; readonly path: string; readonly mtime: number }
  | { readonly kind: 'truncate'; readonly path: string; readonly size: number }
  | {
      readonly kind: 'write';
      readonly path: string;
      readonly offset: number;
      readonly length: number;
      /** Every byte that is written. */
      readonly fill: number;
      readonly stable: StableHow;
    }
  | { readonly kind: 'commit'; readonly path: string };

export type CreateMode = 'guarded' | 'unchecked' | 'exclusive';

/** An object as it is read back. */
export interface SeenObject {
  readonly type: 'file' | 'directory' | 'symlink' | 'fifo';
  readonly mode: number;
  readonly nlink: number;
  /** In seconds. */
  readonly mtime: number;
  /** The file handle in hex: it must survive restarts, and is the same for all names of a file. */
  readonly handle: string;
  /** Of a file, base64; of a symbolic link, its target; else empty. */
  readonly content: string;
}

/** A whole tree as it is read back, without its root, by path. */
export type SeenTree = Readonly<Record<string, SeenObject>>;

export const FILE_MODE = 0o644;
export const DIRECTORY_MODE = 0o755;

/** What the call of an operation is known by: that of a client's `index`-th operation of its row. */
export function requestKey(client: number, index: number): string {
  return `client ${client}, call ${index}`;
}

export const isStable = (stable: StableHow): boolean => stable !== StableHow.UNSTABLE;

export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** createverf3 of the client that makes a file at this path: the same when it asks again. */
export function createVerifier(path: string): bigint {
  return Buffer.from(path).reduce((sum, byte) => BigInt.asUintN(64, sum * 31n + BigInt(byte)), 7n);
}
