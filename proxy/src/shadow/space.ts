import { type StatsFs, statfsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';

/** How much of its disk a shadow may take; in bytes. */
export interface SpaceLimits {
  /** For contents and records together. Default: what the disk has. */
  readonly quota?: number;
  /** Of the disk, kept free for what must not fail half-way. Default: {@link defaultReserve}. */
  readonly reserve?: number;
}

/** What a shadow takes and may still take. */
export interface SpaceStatistics {
  /** Contents and records of this shadow. */
  readonly usedBytes: number;
  readonly quotaBytes: number | undefined;
  readonly reserveBytes: number;
  /** What can still be written: within the quota, and without touching the reserve. */
  readonly availableBytes: number;
  /** Of the disk that it is on, whoever uses it. */
  readonly diskBytes: number;
  /** With what its file system lets only root take. */
  readonly diskFreeBytes: number;
  /** Inodes of that disk; 0 where it does not count them. */
  readonly diskFiles: number;
  readonly diskFilesFree: number;
}

/** What is new finds no room; nothing was changed. The code is the file system's own. */
export class NoSpaceError extends Error {
  override readonly name = 'NoSpaceError';
  readonly code = 'ENOSPC';
}

/** A new object takes a record or two: less than this. */
const NEW_OBJECT_BYTES = 4096;
const MIB = 2 ** 20;

/**
 * One percent of the disk, but between 64 MiB and 1 GiB, and of a small disk an eighth: room for the
 * removals, truncations and COMMITs that come when the disk counts as full.
 */
export function defaultReserve(diskBytes: number): number {
  const percent = Math.min(Math.max(diskBytes / 100, 64 * MIB), 1024 * MIB);
  return Math.floor(Math.min(percent, diskBytes / 8));
}

/**
 * Keeps account of the disk space that a shadow takes, and says no before it runs out: what fails in
 * the middle for want of space takes along writes that were taken already.
 *
 * The quota bounds new contents and objects. Writing over what is here already takes no space, and
 * removing and truncating need no permission. All that needs a little space and must not fail has
 * the reserve: removals, flushes, and, down to half of it, changes of attributes and new links.
 */
export class Space {
  readonly #directory: string;
  readonly #limits: SpaceLimits;
  readonly #recordBytes: () => number;
  readonly #contents = new Map<number, number>();
  #contentBytes = 0;
  /** Given to writes that are not through with it. */
  #claimed = 0;

  /** @param recordBytes what the records take now. */
  constructor(directory: string, limits: SpaceLimits, recordBytes: () => number) {
    this.#directory = directory;
    this.#limits = limits;
    this.#recordBytes = recordBytes;
  }

  /** Notes what the contents of a node take of the disk by now. */
  note(id: number, bytes: number): void {
    this.#contentBytes += bytes - (this.#contents.get(id) ?? 0);
    this.#contents.set(id, bytes);
  }

  forget(id: number): void {
    this.#contentBytes -= this.#contents.get(id) ?? 0;
    this.#contents.delete(id);
  }

  /** What the contents of a node take of the disk. */
  contentsOf(id: number): number {
    return this.#contents.get(id) ?? 0;
  }

  /** Whether the node has a file, be it an empty one. */
  hasContents(id: number): boolean {
    return this.#contents.has(id);
  }

  get contentBytes(): number {
    return this.#contentBytes;
  }

  /**
   * Takes hold of room for `bytes` more.
   *
   * @returns what gives it back, to be called when the write is over: it is noted then, or failed.
   * @throws NoSpaceError, or what the disk says when it cannot even be asked.
   */
  claim(bytes: number): () => void {
    if (bytes > 0) this.#check(bytes);
    this.#claimed += bytes;
    return () => {
      this.#claimed -= bytes;
    };
  }

  /** @throws NoSpaceError when a new object finds no room. */
  checkNewObject(): void {
    this.#check(NEW_OBJECT_BYTES);
  }

  /** @throws NoSpaceError when not even a change of what is here may be made: removals come first. */
  checkChange(): void {
    const disk = statfsSync(this.#directory);
    if (freeBytes(disk) < this.#reserveOf(disk.blocks * disk.bsize) / 2) {
      throw new NoSpaceError(`the disk of ${this.#directory} is full`);
    }
  }

  async statistics(): Promise<SpaceStatistics> {
    const disk = await statfs(this.#directory);
    const diskBytes = disk.blocks * disk.bsize;
    const { quota } = this.#limits;
    const usedBytes = this.#contentBytes + this.#recordBytes();
    const reserveBytes = this.#reserveOf(diskBytes);
    const withinQuota = quota === undefined ? Infinity : quota - usedBytes;
    return {
      usedBytes,
      quotaBytes: quota,
      reserveBytes,
      availableBytes: Math.max(0, Math.min(freeBytes(disk) - reserveBytes, withinQuota)),
      diskBytes,
      diskFreeBytes: disk.bfree * disk.bsize,
      diskFiles: disk.files,
      diskFilesFree: disk.ffree,
    };
  }

  #check(bytes: number): void {
    const { quota } = this.#limits;
    const wanted = this.#claimed + bytes;
    if (quota !== undefined && this.#contentBytes + this.#recordBytes() + wanted > quota) {
      throw new NoSpaceError(`${this.#directory} has used up its quota of ${quota} bytes`);
    }
    // Not remembered from call to call: others write to the disk too, and asking takes 2 us.
    const disk = statfsSync(this.#directory);
    if (freeBytes(disk) - wanted < this.#reserveOf(disk.blocks * disk.bsize)) {
      throw new NoSpaceError(`the disk of ${this.#directory} is full, but for its reserve`);
    }
  }

  #reserveOf(diskBytes: number): number {
    return this.#limits.reserve ?? defaultReserve(diskBytes);
  }
}

function freeBytes({ bavail, bsize }: StatsFs): number {
  return bavail * bsize;
}
