import { type BigIntStats, closeSync, constants, lstatSync, openSync, readlinkSync } from 'node:fs';
import { LRUCache } from 'lru-cache';
import { Nfsstat3 } from '../status.ts';
import { type Filehandle, type Filename, Ftype3 } from '../types.ts';
import { statDescriptor, typeOf } from './attributes.ts';
import { isExhaustion, Nfs3Failure } from './errno.ts';
import { type Entry, entryPath, makePin, namesIn, type Pin } from './pin.ts';
import {
  childHandle,
  depthOf,
  exportOf,
  generationIn,
  generationOf,
  hintAt,
  hintOf,
  inoOf,
  isWellFormed,
  rootHandle,
} from './handle.ts';

/*
 * Inodes are held, not named. A pin is a descriptor opened with O_PATH: it stands for one inode
 * whatever is renamed or swapped around it, costs no access rights, and `/proc/self/fd/N/name` resolves
 * `name` in exactly that directory: the openat() that Node lacks. One name is resolved at a time and
 * never through a symbolic link, so no path exists by which a link could lead out of the root.
 *
 * Where an inode is, is remembered in two bounded caches: pins (descriptors), and places (directory and
 * name). Both may forget. What they forget is found again, in this order:
 *
 *   1. at the remembered place;
 *   2. by descending from the root along the hints in the handle (handle.ts);
 *   3. by visiting every name below the root, up to a limit: it was renamed while nobody remembered.
 *
 * An inode keeps the handle under which it was first given out while its place is remembered, whatever
 * it is renamed to; afterwards it may be given out under another one, and both are good.
 *
 * Limits: an inode that somebody moves out of the root while it is pinned stays reachable by its
 * handle, as with the kernel's own server; one search may visit only `maxSearched` names; descriptors
 * of /proc are Linux.
 */

const O_PATH = 0o10000000;
const HOLD = O_PATH | constants.O_NOFOLLOW;
/** Names that a search visits before it lets other calls run. */
const SEARCH_SLICE = 500;
/** How long a handle that a search did not find is STALE without another search, in ms. */
const MISSING_TTL_MS = 10_000;

interface Place {
  readonly handle: Filehandle;
  readonly generation: number;
  parent: bigint;
  name: Filename;
}

export interface InodesOptions {
  readonly maxPins: number;
  readonly maxPlaces: number;
  readonly maxSearched: number;
}

export class Inodes {
  readonly root: Pin;
  readonly exportId: number;
  readonly #device: bigint;
  readonly #maxSearched: number;
  readonly #pins: LRUCache<bigint, Pin>;
  readonly #places: LRUCache<bigint, Place>;
  readonly #missing = new LRUCache<string, true>({ max: 8192, ttl: MISSING_TTL_MS });
  readonly #searches = new Map<string, Promise<void>>();
  #lastSearch: Promise<unknown> = Promise.resolve();
  #closing: number[] = [];
  #closed = false;

  /** @param root an absolute path; it may lead through symbolic links, nothing below may. */
  constructor(root: string, { maxPins, maxPlaces, maxSearched }: InodesOptions) {
    const fd = openSync(root, O_PATH | constants.O_DIRECTORY);
    const stats = statDescriptor(fd);
    const generation = generationOf(stats);
    this.exportId = (Number(BigInt.asUintN(32, stats.ino)) ^ generation) >>> 0;
    this.#device = stats.dev;
    this.root = makePin(fd, stats, rootHandle(this.exportId, stats.ino, generation));
    this.#maxSearched = maxSearched;
    this.#pins = new LRUCache({ max: maxPins, dispose: (pin) => this.#closeLater(pin.fd) });
    this.#places = new LRUCache({ max: maxPlaces });
  }

  /**
   * The inode of a handle.
   *
   * @throws Nfs3Failure BADHANDLE when it was not made here, STALE when there is no such inode any more.
   */
  async pin(handle: Filehandle): Promise<Pin> {
    const known = this.known(handle);
    if (known !== undefined) return known;
    await this.#search(handle);
    const found = this.known(handle);
    if (found === undefined) throw new Nfs3Failure(Nfsstat3.STALE);
    return found;
  }

  /** Two inodes in one turn, for RENAME and LINK. */
  async pinBoth(first: Filehandle, second: Filehandle): Promise<readonly [Pin, Pin]> {
    await this.pin(first);
    await this.pin(second);
    return [await this.pin(first), this.known(second) ?? (await this.pin(second))];
  }

  /** The inode of a handle, if it is found without the search of last resort. */
  known(handle: Filehandle): Pin | undefined {
    if (!isWellFormed(handle)) throw new Nfs3Failure(Nfsstat3.BADHANDLE);
    if (exportOf(handle) !== this.exportId) throw new Nfs3Failure(Nfsstat3.STALE);
    const ino = inoOf(handle);
    const generation = generationIn(handle);
    const pin = ino === this.root.ino ? this.root : this.#pins.get(ino);
    if (pin !== undefined) {
      // A held inode number is not given out again: another generation is long gone.
      if (pin.generation !== generation) throw new Nfs3Failure(Nfsstat3.STALE);
      return pin;
    }
    const found = this.#atPlace(ino, generation);
    if (found !== undefined) return found;
    if (this.#missing.has(keyOf(handle))) throw new Nfs3Failure(Nfsstat3.STALE);
    return this.#descend(this.root, handle, 0);
  }

  /**
   * Looks a plain name up, without following anything.
   *
   * @returns undefined when there is no such name, or when another file system is mounted on it.
   */
  entry(dir: Pin, name: Filename): Entry | undefined {
    const stats = this.#lstat(dir, name);
    return stats && { stats, handle: this.#remember(dir, name, stats) };
  }

  /** Holds what is at `name`; undefined when there is nothing, or something of another file system. */
  pinEntry(dir: Pin, name: Filename): Pin | undefined {
    let fd: number;
    try {
      fd = openSync(entryPath(dir, name), HOLD);
    } catch (error) {
      if (isExhaustion(error)) throw error;
      return undefined;
    }
    const stats = statDescriptor(fd);
    const held = this.#pins.get(stats.ino);
    if (stats.dev !== this.#device || held !== undefined || stats.ino === this.root.ino) {
      closeSync(fd);
      if (stats.dev !== this.#device) return undefined;
      return held ?? this.root;
    }
    const pin = makePin(fd, stats, this.#remember(dir, name, stats));
    this.#pins.set(pin.ino, pin);
    return pin;
  }

  /** The directory above; the root is its own. STALE when it is no longer below the root. */
  parentOf(dir: Pin): Pin {
    return dir.ino === this.root.ino ? this.root : this.whereIs(dir).dir;
  }

  /** The directory and the name by which a held inode is to be found; STALE when there is none. */
  whereIs(pin: Pin): { readonly dir: Pin; readonly name: Filename } {
    const place = this.#places.get(pin.ino);
    const dir = place && this.#heldDirectory(place.parent);
    if (place !== undefined && dir !== undefined) {
      if (this.#lstat(dir, place.name)?.ino === pin.ino) return { dir, name: place.name };
    }
    return this.#whereTheKernelSays(pin);
  }

  /** A rename was done here: the handle that clients have goes on being the one that is handed out. */
  moved(ino: bigint, to: Pin, name: Filename): void {
    const place = this.#places.get(ino);
    if (place === undefined) return;
    place.parent = to.ino;
    place.name = name;
  }

  /** Lets go of an inode, so that a removed file gives its blocks back. */
  release(ino: bigint): void {
    this.#pins.delete(ino);
  }

  /** The last name of an inode was removed here: its handle is STALE, and never searched for. */
  removed({ handle, stats }: Entry): void {
    this.release(stats.ino);
    this.#places.delete(stats.ino);
    this.#missing.set(keyOf(handle), true, { ttl: 0 });
  }

  /** Lets go of all inodes that have no name any more. */
  releaseRemoved(): void {
    for (const pin of [...this.#pins.values()]) {
      if (statDescriptor(pin.fd).nlink === 0n) this.#pins.delete(pin.ino);
    }
  }

  close(): void {
    this.#closed = true;
    this.#pins.clear();
    this.#closeNow();
    closeSync(this.root.fd);
  }

  #whereTheKernelSays(pin: Pin): { readonly dir: Pin; readonly name: Filename } {
    const root = readlinkSync(this.root.path, 'latin1');
    const path = readlinkSync(pin.path, 'latin1');
    const prefix = root === '/' ? root : `${root}/`;
    if (!path.startsWith(prefix)) throw new Nfs3Failure(Nfsstat3.STALE);
    const names = path.slice(prefix.length).split('/');
    const name = names.pop();
    let dir: Pin | undefined = this.root;
    for (const component of names) dir = dir && this.pinEntry(dir, component);
    if (dir === undefined || name === undefined || this.#lstat(dir, name)?.ino !== pin.ino) {
      throw new Nfs3Failure(Nfsstat3.STALE);
    }
    return { dir, name };
  }

  #remember(dir: Pin, name: Filename, stats: BigIntStats): Filehandle {
    const generation = generationOf(stats);
    const place = this.#places.get(stats.ino);
    if (place?.generation === generation) {
      place.parent = dir.ino;
      place.name = name;
      return place.handle;
    }
    const handle = childHandle(dir.handle, name, stats.ino, generation);
    this.#places.set(stats.ino, { handle, generation, parent: dir.ino, name });
    return handle;
  }

  #heldDirectory(ino: bigint): Pin | undefined {
    if (ino === this.root.ino) return this.root;
    return this.#pins.get(ino) ?? this.#atPlace(ino, this.#places.get(ino)?.generation);
  }

  #atPlace(ino: bigint, generation: number | undefined): Pin | undefined {
    const place = this.#places.get(ino);
    if (place === undefined) return undefined;
    // Taken out while its parents are looked for: places that lead in a circle end here.
    this.#places.delete(ino);
    const parent = this.#heldDirectory(place.parent);
    if (parent === undefined) return undefined;
    this.#places.set(ino, place);
    const pin = this.pinEntry(parent, place.name);
    return pin?.ino === ino && pin.generation === generation ? pin : undefined;
  }

  #descend(dir: Pin, handle: Filehandle, level: number): Pin | undefined {
    const ino = inoOf(handle);
    const last = level + 1 >= depthOf(handle);
    const hint = hintAt(handle, level);
    for (const name of namesIn(dir)) {
      if (hint !== undefined && hintOf(name) !== hint) continue;
      const stats = this.#lstat(dir, name);
      if (stats === undefined) continue;
      if (stats.ino === ino && generationOf(stats) === generationIn(handle)) {
        this.#adopt(dir, name, stats, handle);
        return this.pinEntry(dir, name);
      }
      if (last || typeOf(stats) !== Ftype3.DIR) continue;
      const below = this.pinEntry(dir, name);
      const found = below && this.#descend(below, handle, level + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Remembers where the inode is under the handle that the client has, not under a new one. */
  #adopt(dir: Pin, name: Filename, stats: BigIntStats, handle: Filehandle): void {
    const own = Uint8Array.from(handle);
    const generation = generationOf(stats);
    this.#places.set(stats.ino, { handle: own, generation, parent: dir.ino, name });
  }

  #lstat(dir: Pin, name: Filename): BigIntStats | undefined {
    const stats = lstatSync(entryPath(dir, name), { bigint: true, throwIfNoEntry: false });
    return stats?.dev === this.#device ? stats : undefined;
  }

  /**
   * Looks for an inode everywhere. Calls for the same one wait for the same search, and searches wait
   * for each other: however many handles went stale, the other calls get most of the time.
   */
  async #search(handle: Filehandle): Promise<void> {
    const key = keyOf(handle);
    let search = this.#searches.get(key);
    if (search === undefined) {
      search = this.#lastSearch
        .then(() => this.#visitAll(handle))
        .then((found) => {
          if (!found) this.#missing.set(key, true);
        })
        .finally(() => this.#searches.delete(key));
      this.#lastSearch = search.catch(() => undefined);
      this.#searches.set(key, search);
    }
    await search;
  }

  async #visitAll(handle: Filehandle): Promise<boolean> {
    const ino = inoOf(handle);
    let visited = 0;
    // Directories by their handles: while other calls run, a pin may be given up.
    const directories: Filehandle[] = [this.root.handle];
    for (let next = directories.shift(); next !== undefined; next = directories.shift()) {
      const dir = this.known(next);
      if (dir === undefined) continue;
      for (const name of namesIn(dir)) {
        if (visited >= this.#maxSearched) return false;
        visited += 1;
        if (visited % SEARCH_SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
        if (this.#closed) return false;
        const held = this.known(next);
        const stats = held && this.#lstat(held, name);
        if (held === undefined || stats === undefined) continue;
        if (stats.ino === ino && generationOf(stats) === generationIn(handle)) {
          this.#adopt(held, name, stats, handle);
          return true;
        }
        if (typeOf(stats) === Ftype3.DIR) directories.push(this.#remember(held, name, stats));
      }
    }
    return false;
  }

  /** Descriptors are closed between turns, so that a pin is good for the turn in which it was got. */
  #closeLater(fd: number): void {
    if (this.#closing.length === 0 && !this.#closed) setImmediate(() => this.#closeNow());
    this.#closing.push(fd);
  }

  #closeNow(): void {
    const fds = this.#closing;
    this.#closing = [];
    for (const fd of fds) closeSync(fd);
  }
}

function keyOf(handle: Filehandle): string {
  return Buffer.from(handle).toString('latin1');
}
