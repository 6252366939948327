import { posix } from 'node:path';
import type { FileEvent, Span } from './system-call-log.ts';

/** A file or a directory, whatever its names are by now. */
export class Inode {
  readonly id: number;
  readonly isDirectory: boolean;
  /** Of a file, before the log began. */
  readonly contents: Buffer;

  constructor(id: number, contents: Buffer | undefined) {
    this.id = id;
    this.isDirectory = contents === undefined;
    this.contents = contents ?? Buffer.alloc(0);
  }
}

/** What happens to names at once: all of these or none. */
export interface NameChange extends Span {
  readonly entries: readonly {
    readonly directory: Inode;
    readonly name: string;
    /** Undefined: the name is gone. */
    readonly inode: Inode | undefined;
  }[];
}

type NameEvent = Extract<FileEvent, { kind: 'create' | 'unlink' | 'rename' }>;

/** The names below one directory, whose own path is ''. */
export class Disk {
  readonly #root: Inode;
  readonly #names: Map<Inode, Map<string, Inode>>;
  #nextId: number;

  private constructor(root: Inode, names: Map<Inode, Map<string, Inode>>, nextId: number) {
    this.#root = root;
    this.#names = names;
    this.#nextId = nextId;
  }

  /** @param entries paths with contents, undefined for directories, which come first. */
  static of(entries: Iterable<[string, Buffer | undefined]>): Disk {
    const root = new Inode(0, undefined);
    const disk = new Disk(root, new Map([[root, new Map<string, Inode>()]]), 1);
    for (const [path, contents] of entries) {
      const directory = disk.at(parentOf(path));
      if (directory === undefined) throw new Error(`${path} comes before its directory`);
      disk.#set(directory, posix.basename(path), disk.#inode(contents));
    }
    return disk;
  }

  clone(): Disk {
    const names = [...this.#names].map(([inode, entries]) => [inode, new Map(entries)] as const);
    return new Disk(this.#root, new Map(names), this.#nextId);
  }

  at(path: string): Inode | undefined {
    let inode: Inode | undefined = this.#root;
    for (const name of path.split('/').filter((each) => each !== '')) {
      inode = inode === undefined ? undefined : this.#names.get(inode)?.get(name);
    }
    return inode;
  }

  /** What an event does to names, if anything. */
  change(event: NameEvent): NameChange | undefined {
    const { begin, end, path } = event;
    const directory = this.at(parentOf(path));
    if (directory === undefined) return undefined;
    const name = posix.basename(path);
    const inode = this.at(path);
    if (event.kind === 'unlink')
      return { begin, end, entries: [{ directory, name, inode: undefined }] };
    if (event.kind === 'create') {
      if (inode !== undefined) return undefined;
      const made = this.#inode(event.directory ? undefined : Buffer.alloc(0));
      return { begin, end, entries: [{ directory, name, inode: made }] };
    }
    const target = this.at(parentOf(event.to));
    if (target === undefined || inode === undefined) {
      throw new Error(`a rename of ${path} to ${event.to} that cannot have been`);
    }
    const gone = { directory, name, inode: undefined };
    return {
      begin,
      end,
      entries: [gone, { directory: target, name: posix.basename(event.to), inode }],
    };
  }

  apply({ entries }: NameChange): void {
    for (const { directory, name, inode } of entries) this.#set(directory, name, inode);
  }

  /** Directories before what is in them. */
  *paths(directory: Inode = this.#root, prefix = ''): Generator<[string, Inode]> {
    for (const [name, inode] of this.#names.get(directory) ?? []) {
      yield [prefix + name, inode];
      if (inode.isDirectory) yield* this.paths(inode, `${prefix}${name}/`);
    }
  }

  #inode(contents: Buffer | undefined): Inode {
    return new Inode(this.#nextId++, contents);
  }

  #set(directory: Inode, name: string, inode: Inode | undefined): void {
    const entries = this.#names.get(directory) ?? new Map<string, Inode>();
    this.#names.set(directory, entries);
    if (inode === undefined) entries.delete(name);
    else entries.set(name, inode);
  }
}

function parentOf(path: string): string {
  const parent = posix.dirname(path);
  return parent === '.' ? '' : parent;
}
