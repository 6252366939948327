import { ImageError } from './error.ts';
import { FileType, MAX_NAME_BYTES, MAX_TARGET_BYTES, ROOT } from './format.ts';
import { RESERVED_NAME } from './reserved.ts';
import type { Directory, TreeInode } from './tree.ts';

/** An inode with what its place in the tree gives it. */
export interface NumberedInode {
  readonly inode: TreeInode;
  /** Number of the directory of its first name; the root is its own parent. */
  readonly parent: number;
  /** Index of the entry that is its first name; 0 for the root. */
  readonly entry: number;
  /** Index of the first of its entries, of a directory. */
  firstEntry: number;
  nlink: number;
}

export interface NumberedEntry {
  readonly name: string;
  readonly fileid: number;
}

/**
 * Numbers the tree breadth first, each directory's names in byte-wise order, so that siblings stand
 * together: their records are read together by READDIRPLUS.
 *
 * @throws ImageError UNSUPPORTED for a name or a target that the format cannot hold.
 */
export function numberInodes(root: Directory): {
  inodes: NumberedInode[];
  entries: NumberedEntry[];
} {
  const inodes: NumberedInode[] = [
    { inode: root, parent: ROOT, entry: 0, firstEntry: 0, nlink: 2 },
  ];
  const fileids = new Map<TreeInode, number>([[root, ROOT]]);
  const entries: NumberedEntry[] = [];
  // The list grows while it is walked: that is what makes it breadth first.
  for (let index = 0; index < inodes.length; index += 1) {
    const directory = inodes[index];
    if (directory?.inode.type !== FileType.DIR) continue;
    directory.firstEntry = entries.length;
    // As latin1, the order of strings is the order of bytes.
    for (const name of [...directory.inode.entries.keys()].sort()) {
      checkName(name, index === 0);
      const inode = directory.inode.entries.get(name);
      if (inode === undefined) continue;
      const known = fileids.get(inode);
      const fileid = known ?? inodes.length + 1;
      if (known === undefined) {
        if (inode.type === FileType.LNK) checkTarget(inode.target);
        fileids.set(inode, fileid);
        const isDirectory = inode.type === FileType.DIR;
        inodes.push({
          inode,
          parent: index + 1,
          entry: entries.length,
          firstEntry: 0,
          nlink: isDirectory ? 2 : 1,
        });
        if (isDirectory) directory.nlink += 1;
      } else {
        const numbered = inodes[known - 1];
        if (numbered === undefined || inode.type === FileType.DIR) {
          throw new ImageError('UNSUPPORTED', `the directory '${name}' has two names`);
        }
        numbered.nlink += 1;
      }
      entries.push({ name, fileid });
    }
  }
  return { inodes, entries };
}

function checkName(name: string, inRoot: boolean): void {
  if (!isName(name) || (inRoot && name === RESERVED_NAME)) {
    throw new ImageError('UNSUPPORTED', `'${name}' cannot be a name in an image`);
  }
}

/** Whether a directory may have an entry of this name. */
export function isName(name: string): boolean {
  return (
    name.length > 0 &&
    name.length <= MAX_NAME_BYTES &&
    name !== '.' &&
    name !== '..' &&
    !/[/\0]/.test(name)
  );
}

function checkTarget(target: string): void {
  if (target.length === 0 || target.length > MAX_TARGET_BYTES || target.includes('\0')) {
    throw new ImageError('UNSUPPORTED', `'${target}' cannot be a symbolic link's target`);
  }
}
