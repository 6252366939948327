import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
} from 'node:fs';
import type { DiskObject, DiskState, ObjectType } from './local-disk.ts';
import type { Place } from './operation.ts';

/** Not among Node's constants: holds an inode without opening it. */
const O_PATH = 0o10000000;

/**
 * The objects of a directory by number, each held by a descriptor: as NFS does, they are acted on
 * wherever their names are by now, and an inode number is not given again while one is held.
 */
export class DiskTree {
  readonly #descriptors: number[] = [];
  readonly #numbers = new Map<bigint, number>();

  constructor(root: string) {
    this.#hold(root);
  }

  /** Numbers all objects, directories before what is in them; the paths are in that order. */
  numberAll(): string[] {
    const paths = [''];
    const visit = (directory: number, prefix: string): void => {
      for (const name of this.names(directory)) {
        const path = entryPath(this.pathOf(directory), name);
        const isKnown = this.#numbers.has(lstatSync(path, { bigint: true }).ino);
        const number = this.numberOf(path);
        if (isKnown) continue;
        paths.push(prefix + name);
        if (this.stats(number).isDirectory()) visit(number, `${prefix}${name}/`);
      }
    };
    visit(0, '');
    return paths;
  }

  close(): void {
    for (const descriptor of this.#descriptors) closeSync(descriptor);
  }

  /** A path that leads to the object itself, whatever its names. */
  pathOf(object: number): string {
    return `/proc/self/fd/${this.#descriptors[object] ?? -1}`;
  }

  placePath({ dir, name }: Place): Buffer {
    return entryPath(this.pathOf(dir), name);
  }

  stats(object: number): BigIntStats {
    return fstatSync(this.#descriptors[object] ?? -1, { bigint: true });
  }

  /** The last name is gone. */
  isGone(object: number): boolean {
    return this.stats(object).nlink === 0n;
  }

  /** The number of what is at a path; it gets the next one when it is new. */
  numberOf(path: Buffer): number {
    const { ino } = lstatSync(path, { bigint: true });
    return this.#numbers.get(ino) ?? this.#hold(path);
  }

  /** Sorted, one character per byte. */
  names(directory: number): string[] {
    const names = readdirSync(this.pathOf(directory), { encoding: 'buffer' });
    return names.map((name) => name.toString('latin1')).sort();
  }

  /** A path that ends in one of the object's names: links are made of those. */
  namePathOf(object: number): Buffer {
    const { ino } = this.stats(object);
    for (const directory of this.#numbers.values()) {
      if (!this.stats(directory).isDirectory()) continue;
      for (const name of this.names(directory)) {
        const path = entryPath(this.pathOf(directory), name);
        if (lstatSync(path, { bigint: true }).ino === ino) return path;
      }
    }
    throw new Error(`object ${object} has no name`);
  }

  state(): DiskState {
    return this.#descriptors.map((_, object) => this.#see(object));
  }

  #see(object: number): DiskObject | undefined {
    const stats = this.stats(object);
    if (stats.nlink === 0n) return undefined;
    const type = typeOf(stats);
    return {
      type,
      mode: Number(stats.mode) & 0o7777,
      nlink: Number(stats.nlink),
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      size: Number(stats.size),
      rdev: {
        major: Number((stats.rdev >> 8n) & 0xfffn),
        minor: Number((stats.rdev & 0xffn) | ((stats.rdev >> 12n) & 0xfff00n)),
      },
      mtime: stats.mtimeNs,
      ctime: stats.ctimeNs,
      content: type === 'file' ? this.content(object) : undefined,
      target: type === 'symlink' ? readlinkSync(this.namePathOf(object), 'latin1') : undefined,
      entries:
        type === 'directory'
          ? new Map(
              this.names(object).map((name) => [
                name,
                this.numberOf(entryPath(this.pathOf(object), name)),
              ]),
            )
          : undefined,
    };
  }

  content(object: number): Buffer {
    return readFileSync(this.pathOf(object));
  }

  #hold(path: string | Buffer): number {
    const descriptor = openSync(path, O_PATH | constants.O_NOFOLLOW);
    const number = this.#descriptors.push(descriptor) - 1;
    this.#numbers.set(fstatSync(descriptor, { bigint: true }).ino, number);
    return number;
  }
}

export function entryPath(directory: string, name: string): Buffer {
  return Buffer.from(`${directory}/${name}`, 'latin1');
}

export function typeOf(stats: BigIntStats): ObjectType {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isSocket()) return 'socket';
  return stats.isCharacterDevice() ? 'character device' : 'block device';
}
