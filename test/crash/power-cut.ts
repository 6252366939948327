import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Random } from '../support/random.ts';
import type { FileEvent, Span } from './system-call-log.ts';

/**
 * What of the changes that were not synced is on the disk after a power cut: none, or, as disks and
 * file systems are free to do, any pages and names of them.
 */
export type Survivors = 'none' | 'any';

const PAGE_BYTES = 4096;

type ContentEvent = Extract<FileEvent, { kind: 'write' | 'truncate' }>;
type NameEvent = Extract<FileEvent, { kind: 'create' | 'unlink' }>;

/** A directory before a process wrote to it, everything in it being on stable storage. */
export class DiskBefore {
  readonly #directories: string[] = [];
  readonly #files = new Map<string, Buffer>();

  constructor(directory: string, isIgnored: (path: string) => boolean) {
    const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name).slice(directory.length + 1);
      if (entry.isDirectory()) this.#directories.push(path);
      else if (!isIgnored(path)) this.#files.set(path, readFileSync(join(directory, path)));
    }
  }

  /** Makes `target` what the disk holds when the power goes at line `at` of the log. */
  writeAfterPowerCut(
    target: string,
    events: readonly FileEvent[],
    at: number,
    survivors: Survivors,
    random: Random,
  ): void {
    for (const path of this.#directories) mkdirSync(join(target, path), { recursive: true });
    const past = events.filter(({ begin }) => begin < at);
    const cut = new Cut(past, at, survivors, random);
    const paths = new Set(this.#files.keys());
    for (const event of past) if (event.kind === 'create') paths.add(event.path);
    for (const path of paths) {
      const before = this.#files.get(path);
      if (!cut.isThere(path, before !== undefined)) continue;
      const contents = cut.contents(path, before ?? Buffer.alloc(0));
      writeFileSync(join(target, path), contents, { mode: 0o600 });
    }
  }
}

class Cut {
  readonly #events: readonly FileEvent[];
  readonly #at: number;
  readonly #survivors: Survivors;
  readonly #random: Random;
  readonly #syncs = new Map<string, { begin: number; end: number }[]>();

  constructor(events: readonly FileEvent[], at: number, survivors: Survivors, random: Random) {
    this.#events = events;
    this.#at = at;
    this.#survivors = survivors;
    this.#random = random;
    for (const event of events) {
      if (event.kind !== 'sync') continue;
      this.#syncs.set(event.path, [...(this.#syncs.get(event.path) ?? []), event]);
    }
  }

  /** Names are durable once their directory is synced, and survive in order. */
  isThere(path: string, before: boolean): boolean {
    let isThere = before;
    const changes = this.#events.filter(
      (event): event is NameEvent =>
        (event.kind === 'create' || event.kind === 'unlink') && event.path === path,
    );
    for (const event of changes) {
      if (!this.#isSynced(event, dirname(path)) && !this.#survives()) break;
      isThere = event.kind === 'create';
    }
    return isThere;
  }

  contents(path: string, before: Buffer): Buffer {
    const changes = this.#events.filter(
      (event): event is ContentEvent =>
        (event.kind === 'write' || event.kind === 'truncate') && event.path === path,
    );
    let bytes: Buffer = Buffer.from(before);
    for (const event of changes.toSorted((a, b) => a.end - b.end || a.begin - b.begin)) {
      const synchronous = event.kind === 'write' && event.synchronous && event.end < this.#at;
      const durable = synchronous || this.#isSynced(event, path);
      if (event.kind === 'truncate') {
        if (durable || this.#survives()) bytes = withSize(bytes, event.size);
      } else {
        bytes = this.#written(bytes, event, durable);
      }
    }
    return bytes;
  }

  #written(
    before: Buffer,
    { offset, data }: Extract<FileEvent, { kind: 'write' }>,
    durable: boolean,
  ): Buffer {
    let bytes = before;
    for (let done = 0; done < data.length;) {
      const length = Math.min(data.length - done, PAGE_BYTES - ((offset + done) % PAGE_BYTES));
      if (durable || this.#survives()) {
        bytes = withSize(bytes, Math.max(bytes.length, offset + done + length));
        data.copy(bytes, offset + done, done, done + length);
      }
      done += length;
    }
    return bytes;
  }

  /** A sync that began after the change had ended, and ended before the power went. */
  #isSynced({ end }: Span, path: string): boolean {
    const syncs = this.#syncs.get(path) ?? [];
    return syncs.some((sync) => sync.begin > end && sync.end < this.#at);
  }

  #survives(): boolean {
    return this.#survivors === 'any' && this.#random.below(2) === 0;
  }
}

/** The same bytes, or a copy with zeros at its end or without what is too much. */
function withSize(bytes: Buffer, size: number): Buffer {
  if (bytes.length === size) return bytes;
  const copy = Buffer.alloc(size);
  bytes.copy(copy, 0, 0, size);
  return copy;
}
