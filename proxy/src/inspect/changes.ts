import { Ftype3 } from '@rowfs/nfs3';
import { compareTimes } from '../shadow/clock.ts';
import { BLOCK_BYTES, BLOCKS_PER_CHUNK, hasBit } from '../shadow/presence.ts';
import { latin1, type Node } from '../shadow/records.ts';
import { ShadowError } from '../shadow/shadow-error.ts';
import { isHidden } from './lower-names.ts';
import type { LowerName, LowerPaths } from './lower-paths.ts';
import { MergedPaths } from './merged-paths.ts';
import { type Scan, type ScannedEntry } from './scan.ts';

/**
 * What happened to a path:
 *
 * - added: an object born here has this name.
 * - changed: an object of the image has its name still; contents or attributes are others.
 * - renamed: an object of the image has this name instead of `from`. Its contents and attributes may
 *   have changed too. What is in a renamed directory is not told again.
 * - linked: one more name for the object at `from`.
 * - removed: the image's name is gone.
 */
export type ChangeKind = 'added' | 'changed' | 'renamed' | 'linked' | 'removed';

export type ObjectType =
  'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'block' | 'character';

export type ChangedAttribute = 'mode' | 'uid' | 'gid' | 'mtime';

/** One difference between a machine's tree and its image. */
export interface Change {
  /** `/a/b`, one character per byte; the root is ''. Of a removed name: where the image has it. */
  readonly path: string;
  readonly kind: ChangeKind;
  /** Of a removed object it is not known. */
  readonly type: ObjectType | undefined;
  /** renamed: where the image has it; linked: another name of it. */
  readonly from: string | undefined;
  /** Where the image has another object, in the place of which this one is. */
  readonly replaces: string | undefined;
  /** Objects of the image: attributes that differ; mtime only when contents do not. */
  readonly attributes: readonly ChangedAttribute[];
  /** Files of the image whose contents differ. */
  readonly contents: ChangedContents | undefined;
  /** What its contents take of this machine's disk; told once for an object of several names. */
  readonly bytes: number;
  /** What has this name, or had it; undefined for what is gone under all its names. */
  readonly object: ChangedObject | undefined;
}

/** An object of the shadow, the same for all changes of its names. */
export interface ChangedObject {
  readonly node: Node;
  /** All its names by now, as far as they are known. */
  readonly names: readonly string[];
  /** All names that the image has for it, as far as they are known; none when born here. */
  readonly imageNames: readonly string[];
}

export interface ChangesOptions {
  /** Tell mtimes of directories too, which follow what is done in them. Default false. */
  readonly directoryTimes?: boolean;
}

export interface ChangedContents {
  /** Of {@link BLOCK_BYTES}, redirected within what the image has. */
  readonly blocks: number;
  readonly sizeBefore: number;
  readonly sizeAfter: number;
}

const TYPE_NAMES: ReadonlyMap<Ftype3, ObjectType> = new Map([
  [Ftype3.REG, 'file'],
  [Ftype3.DIR, 'directory'],
  [Ftype3.LNK, 'symlink'],
  [Ftype3.FIFO, 'fifo'],
  [Ftype3.SOCK, 'socket'],
  [Ftype3.BLK, 'block'],
  [Ftype3.CHR, 'character'],
]);

/**
 * All that differs between a machine's tree and its image, sorted by path. Told from the shadow alone:
 * neither the image nor its servers are asked.
 *
 * A name of a file with several names that nobody ever looked up is not known, and not told.
 *
 * @throws ShadowError SHADOW_CORRUPT; SHADOW_UNUSABLE when paths of the image are not known
 */
export function changesOf(scan: Scan, options: ChangesOptions = {}): Change[] {
  const [unreadable] = scan.findings;
  if (unreadable !== undefined)
    throw new ShadowError('SHADOW_CORRUPT', `${unreadable.what}: see what fsck says`);
  if (scan.paths === undefined) {
    const message = `${scan.directory} does not know the paths of its image: no proxy ran on it, or its manifest is lost`;
    throw new ShadowError('SHADOW_UNUSABLE', message);
  }
  const { directoryTimes = false } = options;
  const changes = new Changes(scan, scan.paths, directoryTimes);
  return changes.all().sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

type Details = Pick<Change, 'type' | 'attributes' | 'contents' | 'bytes' | 'object'>;

class Changes {
  readonly #scan: Scan;
  readonly #merged: MergedPaths;
  readonly #paths: LowerPaths;
  readonly #directoryTimes: boolean;
  readonly #found: Change[] = [];

  constructor(scan: Scan, paths: LowerPaths, directoryTimes: boolean) {
    this.#scan = scan;
    this.#merged = new MergedPaths(scan, paths);
    this.#paths = paths;
    this.#directoryTimes = directoryTimes;
  }

  all(): Change[] {
    for (const node of this.#scan.nodes.values()) {
      if (node.lower === undefined) this.#born(node);
      else this.#ofImage(node);
    }
    for (const entry of this.#scan.entries) this.#removed(entry);
    return this.#found;
  }

  #born(node: Node): void {
    const names = this.#entries(node);
    const [first] = names;
    const details = this.#details(node, pathsOf(names), []);
    for (const entry of names) {
      const from = entry === first ? undefined : first?.path;
      const kind = entry === first ? 'added' : 'linked';
      const once = entry === first ? details : { ...details, bytes: 0 };
      this.#add(kind, entry.path, once, from, entry.replaces);
    }
  }

  /** Names that an object of the image has kept, has got, and has lost. */
  #ofImage(node: Node): void {
    const inImage = node.lower && this.#paths.node(node.lower);
    const had = (inImage === undefined ? undefined : this.#paths.names(inImage)) ?? [];
    const names = this.#entries(node);
    const isAt = (entry: ScannedEntry, name: LowerName): boolean => this.#isSamePlace(entry, name);
    // The root has no name, and always keeps it.
    const kept: string[] = inImage === this.#paths.root ? [''] : [];
    const lost: LowerName[] = [];
    for (const name of had) {
      if (!isHidden(this.#scan, name.parent, name.name))
        kept.push(this.#merged.ofImageName(name.parent, name.name));
      else if (!names.some(({ entry }) => isAt(entry, name))) lost.push(name);
    }
    const got: typeof names = [];
    for (const name of names) {
      if (had.some((before) => isAt(name.entry, before))) kept.push(name.path);
      else got.push(name);
    }
    const imageNames = had.map(({ parent, name }) => this.#merged.inImage(parent, name));
    const details = this.#details(node, [...kept, ...pathsOf(got)], imageNames);
    const isChanged = details.attributes.length > 0 || details.contents !== undefined;
    let told = false;
    const detailsOnce = (): Details => {
      const once = told ? { ...details, bytes: 0 } : details;
      told = true;
      return once;
    };
    if (isChanged)
      for (const path of kept.sort())
        this.#add('changed', path, detailsOnce(), undefined, undefined);
    const lostPaths = lost.map(({ parent, name }) => this.#merged.inImage(parent, name)).sort();
    for (const { path, replaces } of got) {
      const from = lostPaths.shift();
      if (from !== undefined) this.#add('renamed', path, detailsOnce(), from, replaces);
      else this.#add('linked', path, { ...details, bytes: 0 }, kept[0] ?? got[0]?.path, replaces);
    }
    const { type, object } = details;
    for (const path of lostPaths)
      this.#add('removed', path, { ...GONE, type, object }, undefined, undefined);
  }

  /** An entry that hides a name of the image whose object is gone altogether. */
  #removed(entry: ScannedEntry): void {
    const directory = this.#scan.nodes.get(entry.directory);
    const parent = directory?.lower && this.#paths.node(directory.lower);
    // Of what has another object now it is told with that one.
    if (!entry.coversLower || entry.id !== 0 || parent === undefined) return;
    const child = this.#paths.child(parent, entry.name);
    const changed =
      child === undefined ? undefined : this.#scan.lowers.get(latin1(this.#paths.handle(child)));
    // Of what lives on under another name it was told with that.
    if (changed !== undefined && changed !== 0) return;
    this.#add('removed', this.#merged.inImage(parent, entry.name), GONE, undefined, undefined);
  }

  #entries(node: Node): NamedEntry[] {
    return (this.#scan.namesOf.get(node.id) ?? [])
      .map((entry) => ({
        path: this.#merged.ofName(entry.directory, entry.name),
        entry,
        replaces: entry.coversLower ? this.#coveredBy(entry) : undefined,
      }))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  #coveredBy({ directory, name }: ScannedEntry): string | undefined {
    const lower = this.#scan.nodes.get(directory)?.lower;
    const parent = lower && this.#paths.node(lower);
    return parent === undefined ? undefined : this.#merged.inImage(parent, name);
  }

  #isSamePlace({ directory, name }: ScannedEntry, inImage: LowerName): boolean {
    if (name !== inImage.name) return false;
    const lower = this.#scan.nodes.get(directory)?.lower;
    return lower !== undefined && this.#paths.node(lower) === inImage.parent;
  }

  #details(node: Node, names: readonly string[], imageNames: readonly string[]): Details {
    const contents = this.#contents(node);
    return {
      type: TYPE_NAMES.get(node.type),
      attributes: this.#attributes(node, contents !== undefined),
      contents,
      bytes: this.#scan.contents.get(node.id)?.diskBytes ?? 0,
      object: { node, names, imageNames },
    };
  }

  #contents({ id, type, size, lowerLimit, origin }: Node): ChangedContents | undefined {
    if (type !== Ftype3.REG || origin === undefined) return undefined;
    let blocks = 0;
    for (const { index, bits } of this.#scan.presence.get(id) ?? []) {
      for (let bit = 0; bit < bits.length * 8; bit += 1) {
        const block = index * BLOCKS_PER_CHUNK + bit;
        if (block * BLOCK_BYTES < lowerLimit && hasBit(bits, block)) blocks += 1;
      }
    }
    if (blocks === 0 && lowerLimit === origin.size && size === origin.size) return undefined;
    return { blocks, sizeBefore: origin.size, sizeAfter: size };
  }

  #attributes(node: Node, hasOtherContents: boolean): ChangedAttribute[] {
    const { origin } = node;
    if (origin === undefined) return [];
    const changed: ChangedAttribute[] = [];
    if (node.mode !== origin.mode) changed.push('mode');
    if (node.uid !== origin.uid) changed.push('uid');
    if (node.gid !== origin.gid) changed.push('gid');
    const follows = hasOtherContents || (node.type === Ftype3.DIR && !this.#directoryTimes);
    if (!follows && compareTimes(node.mtime, origin.mtime) !== 0) changed.push('mtime');
    return changed;
  }

  #add(
    kind: ChangeKind,
    path: string,
    details: Details,
    from: string | undefined,
    replaces: string | undefined,
  ): void {
    this.#found.push({ path, kind, from, replaces, ...details });
  }
}

/** A recorded name, where it is, and where the image has the name that it hides. */
interface NamedEntry {
  readonly path: string;
  readonly entry: ScannedEntry;
  readonly replaces: string | undefined;
}

const pathsOf = (names: readonly NamedEntry[]): string[] => names.map(({ path }) => path);

const GONE: Details = {
  type: undefined,
  attributes: [],
  contents: undefined,
  bytes: 0,
  object: undefined,
};
