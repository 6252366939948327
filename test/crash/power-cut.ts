import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../support/random.ts';
import { Disk, type Inode, type NameChange } from './disk.ts';
import type { FileEvent, Span } from './system-call-log.ts';

/**
 * What of the changes that were not synced is there after a crash: none; or, as disks and file systems
 * are free to do when the power goes, any pages and names of them; or all, as after kill -9, which
 * takes nothing from the operating system that it has been given.
 */
export type Survivors = 'none' | 'any' | 'all';

const PAGE_BYTES = 4096;

/** What is below a directory, by path: contents, or undefined for a directory. */
export class DiskImage {
  readonly #files: ReadonlyMap<string, Buffer | undefined>;

  constructor(files: ReadonlyMap<string, Buffer | undefined>) {
    this.#files = files;
  }

  static read(directory: string, isIgnored: (path: string) => boolean): DiskImage {
    const files = new Map<string, Buffer | undefined>();
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name).slice(directory.length + 1);
      if (entry.isDirectory()) files.set(path, undefined);
      else if (!isIgnored(path)) files.set(path, readFileSync(join(directory, path)));
    }
    return new DiskImage(files);
  }

  /** Directories before what is in them. */
  *entries(): Generator<[string, Buffer | undefined]> {
    for (const path of [...this.#files.keys()].sort()) yield [path, this.#files.get(path)];
  }

  writeTo(target: string): void {
    mkdirSync(target, { recursive: true });
    for (const [path, contents] of this.entries()) {
      if (contents === undefined) mkdirSync(join(target, path), { recursive: true });
      else writeFileSync(join(target, path), contents, { mode: 0o600 });
    }
  }

  /** The same for the same names and contents. */
  digest(): string {
    const hash = createHash('sha1');
    for (const [path, contents] of this.entries()) {
      hash.update(JSON.stringify([path, contents?.length ?? -1]));
      if (contents !== undefined) hash.update(contents);
    }
    return hash.digest('hex');
  }
}

/** What a process did to a disk whose contents were all on stable storage before. */
export class DiskHistory {
  readonly #disk: Disk;
  readonly #changes: readonly NameChange[];
  readonly #contents = new Map<Inode, ContentChange[]>();
  readonly #syncs = new Map<Inode, Span[]>();

  constructor(before: DiskImage, events: readonly FileEvent[]) {
    this.#disk = Disk.of(before.entries());
    const now = this.#disk.clone();
    const changes: NameChange[] = [];
    for (const event of events) {
      if (event.kind === 'output') continue;
      if (event.kind === 'write' || event.kind === 'truncate') {
        append(this.#contents, now.at(event.path), event);
      } else if (event.kind === 'sync') {
        append(this.#syncs, now.at(event.path), event);
      } else {
        const change = now.change(event);
        if (change === undefined) continue;
        changes.push(change);
        now.apply(change);
      }
    }
    this.#changes = changes;
  }

  /** What the disk holds when the process or the power goes at line `at` of the log. */
  diskAfterCrash(at: number, survivors: Survivors, random: Random): DiskImage {
    const crash = new Crash(at, survivors, random, this.#syncs);
    const disk = this.#disk.clone();
    const refused = new Set<string>();
    for (const change of this.#changes) {
      if (change.begin >= at) continue;
      const names = change.entries.map(({ directory, name }) => `${directory.id}/${name}`);
      const survives =
        change.entries.every(({ directory }) => crash.isSynced(change, directory)) ||
        crash.survives();
      // Changes of one name survive in order.
      if (survives && !names.some((name) => refused.has(name))) disk.apply(change);
      else for (const name of names) refused.add(name);
    }
    const files = new Map<string, Buffer | undefined>();
    for (const [path, inode] of disk.paths()) {
      const changes = this.#contents.get(inode) ?? [];
      files.set(path, inode.isDirectory ? undefined : crash.contents(inode, changes));
    }
    return new DiskImage(files);
  }
}

type ContentChange = Extract<FileEvent, { kind: 'write' | 'truncate' }>;

class Crash {
  readonly #at: number;
  readonly #survivors: Survivors;
  readonly #random: Random;
  readonly #syncs: ReadonlyMap<Inode, readonly Span[]>;

  constructor(
    at: number,
    survivors: Survivors,
    random: Random,
    syncs: ReadonlyMap<Inode, readonly Span[]>,
  ) {
    this.#at = at;
    this.#survivors = survivors;
    this.#random = random;
    this.#syncs = syncs;
  }

  contents(inode: Inode, changes: readonly ContentChange[]): Buffer {
    let bytes = inode.contents;
    // Who wrote to a page after them finds them in it: when it is on the disk, so are they.
    const refused = new Set<number>();
    const past = changes.filter(({ begin }) => begin < this.#at);
    for (const event of past.toSorted((a, b) => a.end - b.end || a.begin - b.begin)) {
      const synchronous = event.kind === 'write' && event.synchronous && event.end < this.#at;
      const durable = synchronous || this.isSynced(event, inode);
      if (event.kind === 'truncate') {
        if (durable || this.survives()) bytes = withSize(bytes, event.size);
      } else {
        bytes = this.#written(bytes, event, durable, refused);
      }
    }
    return bytes;
  }

  #written(
    before: Buffer,
    { offset, data }: Extract<FileEvent, { kind: 'write' }>,
    durable: boolean,
    refused: Set<number>,
  ): Buffer {
    let bytes: Buffer = Buffer.from(before);
    for (let done = 0; done < data.length;) {
      const length = Math.min(data.length - done, PAGE_BYTES - ((offset + done) % PAGE_BYTES));
      const page = Math.floor((offset + done) / PAGE_BYTES);
      if (!durable && !(this.survives() && !refused.has(page))) refused.add(page);
      else {
        bytes = withSize(bytes, Math.max(bytes.length, offset + done + length));
        data.copy(bytes, offset + done, done, done + length);
      }
      done += length;
    }
    return bytes;
  }

  /** A sync that began after the change had ended, and ended before the power went. */
  isSynced({ end }: Span, inode: Inode): boolean {
    const syncs = this.#syncs.get(inode) ?? [];
    return syncs.some((sync) => sync.begin > end && sync.end < this.#at);
  }

  survives(): boolean {
    if (this.#survivors === 'any') return this.#random.below(2) === 0;
    return this.#survivors === 'all';
  }
}

function append<K, V>(map: Map<K, V[]>, key: K | undefined, value: V): void {
  if (key === undefined) return;
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}

/** The same bytes, or a copy with zeros at its end or without what is too much. */
function withSize(bytes: Buffer, size: number): Buffer {
  if (bytes.length === size) return bytes;
  const copy = Buffer.alloc(size);
  bytes.copy(copy, 0, 0, size);
  return copy;
}
