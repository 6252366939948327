/**
 * One line for each file of a tree, so that two trees, or one tree seen by two clients, can be
 * compared byte for byte: name, type, mode, owner, size, time, links, and content or target.
 * Names are bytes kept as latin1 strings, because a file name need not be UTF-8.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, readFile, readdir, readlink } from 'node:fs/promises';

export type TreeEntry = {
  /** Relative to the root of the tree, which is `.`; bytes as latin1. */
  readonly path: string;
  /** Type and permission bits as `lstat` gives them. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly links: number;
  readonly fileid: string;
  /** Of a regular file: hex SHA-256 of its content. */
  readonly sha256: string | undefined;
  /** Of a symbolic link: where it points; bytes as latin1. */
  readonly target: string | undefined;
};

/** Describes a local directory. */
export async function describeTree(directory: string): Promise<string[]> {
  const entries: TreeEntry[] = [];
  const walk = async (path: string): Promise<void> => {
    const name = Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(path, 'latin1')]);
    const stats = await lstat(name);
    entries.push({
      path,
      mode: stats.mode,
      uid: stats.uid,
      gid: stats.gid,
      size: stats.size,
      mtimeSeconds: Math.floor(stats.mtimeMs / 1000),
      links: stats.nlink,
      fileid: String(stats.ino),
      sha256: stats.isFile() ? sha256(await readFile(name)) : undefined,
      target: stats.isSymbolicLink()
        ? (await readlink(name, { encoding: 'buffer' })).toString('latin1')
        : undefined,
    });
    if (!stats.isDirectory()) return;
    for (const child of await readdir(name, { encoding: 'buffer' })) {
      await walk(path === '.' ? child.toString('latin1') : `${path}/${child.toString('latin1')}`);
    }
  };
  await walk('.');
  return describeEntries(entries);
}

/** The lines of a tree, in the order of their paths. */
export function describeEntries(entries: readonly TreeEntry[]): string[] {
  const sorted = entries.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const firstName = new Map<string, string>();
  return sorted.map((entry) => {
    const type = entry.mode & constants.S_IFMT;
    const fields = [
      entry.path,
      TYPE_NAMES.get(type) ?? `type ${type.toString(8)}`,
      (entry.mode & 0o7777).toString(8).padStart(4, '0'),
      `${entry.uid}:${entry.gid}`,
    ];
    // Size, time and link count of a directory are the file system's business, not the tree's.
    if (type !== constants.S_IFDIR) {
      const first = firstName.get(entry.fileid) ?? entry.path;
      firstName.set(entry.fileid, first);
      fields.push(`${entry.size} bytes`, `mtime ${entry.mtimeSeconds}`);
      if (entry.links > 1) fields.push(`${entry.links} links, first ${first}`);
    }
    if (entry.sha256 !== undefined) fields.push(entry.sha256);
    if (entry.target !== undefined) fields.push(`-> ${entry.target}`);
    return printable(fields.join(' | '));
  });
}

/** The same lines with no times in them, for trees that were changed at different moments. */
export function withoutTimes(description: readonly string[]): string[] {
  return description.map((line) => line.replace(/ \| mtime \d+/, ''));
}

const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [constants.S_IFREG, 'file'],
  [constants.S_IFDIR, 'directory'],
  [constants.S_IFLNK, 'symlink'],
  [constants.S_IFIFO, 'fifo'],
  [constants.S_IFSOCK, 'socket'],
  [constants.S_IFCHR, 'character device'],
  [constants.S_IFBLK, 'block device'],
]);

function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

function printable(line: string): string {
  return line.replace(
    /[^ -~]/g,
    (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
