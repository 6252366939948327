import { FileType } from './format.ts';
import {
  factsOf,
  inodeOf,
  linkNamesOf,
  namesOf,
  newDirectory,
  type TarEntry,
  unsupported,
} from './tar-entry.ts';
import type { Directory, FileContent, InodeFacts, TreeInode } from './tree.ts';

/** What a directory is that the archive puts files into without having it. */
const UNMENTIONED: InodeFacts = {
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nseconds: 0 },
  xattrs: [],
};

/** How the layers of an OCI image say what of those below is gone (OCI image spec, "Whiteouts"). */
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/** The tree as archives are unpacked into it, one over the other, entry after entry. */
export class UnpackedTree {
  root: Directory = newDirectory(UNMENTIONED);
  readonly #hasWhiteouts: boolean;
  /** What this layer put into each directory, by the directory's entries. */
  #added = new Map<Directory['entries'], Set<string>>();

  /** @param hasWhiteouts Whether the archives are layers, in which names with `.wh.` are marks. */
  constructor({ hasWhiteouts }: { hasWhiteouts: boolean }) {
    this.#hasWhiteouts = hasWhiteouts;
  }

  /** What is added from now on is of the next layer. */
  beginLayer(): void {
    this.#added = new Map();
  }

  add(header: TarEntry, content: FileContent): void {
    const names = namesOf(header);
    const last = names.at(-1);
    if (last === undefined) {
      if (header.type !== 'directory') throw unsupported(header, 'the root is no directory');
      this.root = { ...newDirectory(factsOf(header)), entries: this.root.entries };
      return;
    }
    const parent = this.#directory(names.slice(0, -1), header);
    if (this.#hasWhiteouts && last.startsWith(WHITEOUT)) {
      if (last === OPAQUE) this.#leaveThisLayer(parent);
      else this.#whiteOut(parent, last.slice(WHITEOUT.length));
      return;
    }
    const before = parent.entries.get(last);
    let inode: TreeInode;
    if (header.type === 'link') {
      inode = this.#linked(header);
    } else {
      inode = inodeOf(header, content);
      if (inode.type === FileType.DIR && before?.type === FileType.DIR) {
        inode = { ...inode, entries: before.entries };
      }
    }
    this.#set(parent, last, inode);
  }

  #set({ entries }: Directory, name: string, inode: TreeInode): void {
    entries.set(name, inode);
    const added = this.#added.get(entries) ?? new Set();
    this.#added.set(entries, added.add(name));
  }

  #isOfThisLayer({ entries }: Directory, name: string): boolean {
    return this.#added.get(entries)?.has(name) === true;
  }

  #whiteOut(directory: Directory, name: string): void {
    if (!this.#isOfThisLayer(directory, name)) directory.entries.delete(name);
  }

  #leaveThisLayer(directory: Directory): void {
    for (const [name, inode] of directory.entries) {
      this.#whiteOut(directory, name);
      if (inode.type === FileType.DIR) this.#leaveThisLayer(inode);
    }
  }

  #directory(names: readonly string[], header: TarEntry): Directory {
    let directory = this.root;
    for (const name of names) {
      let next: TreeInode | undefined = directory.entries.get(name);
      next ??= newDirectory(UNMENTIONED);
      this.#set(directory, name, next);
      if (next.type !== FileType.DIR) throw unsupported(header, 'it is below a file');
      directory = next;
    }
    return directory;
  }

  #linked(header: TarEntry): TreeInode {
    let found: TreeInode | undefined = this.root;
    for (const name of linkNamesOf(header)) {
      found = found?.type === FileType.DIR ? found.entries.get(name) : undefined;
    }
    if (found === undefined || found.type === FileType.DIR) {
      throw unsupported(
        header,
        `it is a hard link to '${header.linkname ?? ''}', which is no file before it`,
      );
    }
    return found;
  }
}
