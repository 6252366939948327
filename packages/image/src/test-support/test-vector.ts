import { FileType } from '../format.ts';
import { ContentBuilder } from '../read-blocks.ts';
import type { Directory, FileContent, InodeFacts, TreeInode } from '../tree.ts';

/** A file of test-vectors/, which other implementations of the format can read as well. */
export interface VectorFile {
  readonly description: string;
  readonly blockSize: number;
  readonly root: VectorInode & { readonly type: 'directory' };
  /** Hexadecimal. */
  readonly digest: string;
  /** Hexadecimal. */
  readonly manifest: string;
}

type VectorInode = {
  /** Octal. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** Seconds and nanoseconds. */
  readonly mtime: readonly [number, number];
  /** Values in base64. */
  readonly xattrs?: Readonly<Record<string, string>>;
} & (
  | {
      readonly type: 'directory';
      readonly entries: Readonly<Record<string, VectorInode | VectorLink>>;
    }
  /** Pairs of a byte, and how often it stands there. */
  | { readonly type: 'file'; readonly content: readonly (readonly [number, number])[] }
  | { readonly type: 'symbolic link'; readonly target: string }
  | {
      readonly type: 'character device' | 'block device';
      readonly major: number;
      readonly minor: number;
    }
  | { readonly type: 'socket' | 'fifo' }
);

/** One more name of a file. */
interface VectorLink {
  readonly type: 'link';
  readonly path: readonly string[];
}

/** The tree that the vector describes. */
export function treeOf({ root, blockSize }: Pick<VectorFile, 'root' | 'blockSize'>): Directory {
  const links: { readonly entries: Directory['entries']; name: string; path: readonly string[] }[] =
    [];
  const directoryOf = (vector: VectorFile['root']): Directory => {
    const entries = new Map<string, TreeInode>();
    for (const [name, entry] of Object.entries(vector.entries)) {
      if (entry.type === 'link') links.push({ entries, name, path: entry.path });
      else if (entry.type === 'directory') entries.set(name, directoryOf(entry));
      else entries.set(name, inodeOf(entry, blockSize));
    }
    return { ...factsOf(vector), type: FileType.DIR, entries };
  };
  const tree = directoryOf(root);
  for (const { entries, name, path } of links) {
    let inode: TreeInode | undefined = tree;
    for (const each of path) {
      inode = inode?.type === FileType.DIR ? inode.entries.get(each) : undefined;
    }
    if (inode === undefined) throw new Error(`the vector has no ${path.join('/')}`);
    entries.set(name, inode);
  }
  return tree;
}

function factsOf({ mode, uid, gid, mtime, xattrs = {} }: VectorInode): InodeFacts {
  return {
    mode: parseInt(mode, 8),
    uid,
    gid,
    mtime: { seconds: mtime[0], nseconds: mtime[1] },
    xattrs: Object.entries(xattrs).map(([name, value]) => ({
      name,
      value: Buffer.from(value, 'base64'),
    })),
  };
}

function inodeOf(
  vector: Exclude<VectorInode, { type: 'directory' }>,
  blockSize: number,
): TreeInode {
  const facts = factsOf(vector);
  switch (vector.type) {
    case 'file': {
      const bytes = Buffer.concat(vector.content.map(([byte, count]) => Buffer.alloc(count, byte)));
      const content = contentOf(bytes, blockSize);
      return { ...facts, type: FileType.REG, size: bytes.length, content };
    }
    case 'symbolic link':
      return { ...facts, type: FileType.LNK, target: vector.target };
    case 'character device':
    case 'block device': {
      const { major, minor } = vector;
      const type = vector.type === 'block device' ? FileType.BLK : FileType.CHR;
      return { ...facts, type, major, minor };
    }
    case 'socket':
    case 'fifo':
      return { ...facts, type: vector.type === 'socket' ? FileType.SOCK : FileType.FIFO };
  }
}

function contentOf(bytes: Uint8Array, blockSize: number): FileContent {
  const content = new ContentBuilder();
  for (let at = 0; at < bytes.length; at += blockSize) {
    content.addBytes(at / blockSize, bytes.subarray(at, at + blockSize));
  }
  return content.build();
}
