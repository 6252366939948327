import type { FileType } from './format.ts';

/** A time as RFC 1813's nfstime3, but of any sign and any century. */
export interface Timestamp {
  readonly seconds: number;
  readonly nseconds: number;
}

/** An extended attribute: its full name, such as `security.capability`, as latin1, and its bytes. */
export interface Xattr {
  readonly name: string;
  readonly value: Uint8Array;
}

/** A run of blocks that are not all zero. */
export interface Run {
  /** Number of its first block within the file. */
  readonly first: number;
  readonly count: number;
}

/** The blocks of a file: every block that no run holds is zero. */
export interface FileContent {
  /** In order, neither touching nor overlapping. */
  readonly runs: readonly Run[];
  /** The digests of all the runs' blocks, one after the other. */
  readonly digests: Uint8Array;
}

export const NO_CONTENT: FileContent = { runs: [], digests: new Uint8Array() };

/** What every inode has. Link counts follow from the names. */
export interface InodeFacts {
  /** The low 12 bits of st_mode. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  /** In the order of their names. */
  readonly xattrs: readonly Xattr[];
}

export interface RegularFile extends InodeFacts {
  readonly type: typeof FileType.REG;
  readonly size: number;
  /** Zeros until the file was read. */
  content: FileContent;
}

export interface Directory extends InodeFacts {
  readonly type: typeof FileType.DIR;
  /** By name as latin1. Two names of one inode are a hard link. */
  readonly entries: Map<string, TreeInode>;
}

export interface SymbolicLink extends InodeFacts {
  readonly type: typeof FileType.LNK;
  /** As latin1. */
  readonly target: string;
}

export interface Device extends InodeFacts {
  readonly type: typeof FileType.CHR | typeof FileType.BLK;
  readonly major: number;
  readonly minor: number;
}

export interface Special extends InodeFacts {
  readonly type: typeof FileType.SOCK | typeof FileType.FIFO;
}

/** A file of any kind on its way into an image. */
export type TreeInode = RegularFile | Directory | SymbolicLink | Device | Special;
