import {
  constants,
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  type Stats,
  writevSync,
} from 'node:fs';
import { fdatasync, read, writev } from 'node:fs';
import { promisify } from 'node:util';
import type { Nfstime3 } from '@rowfs/nfs3';
import { syncDirectory } from '../store/sync-directory.ts';
import { Mutex } from './mutex.ts';

/** What was written to a file and is not on stable storage yet; see the ordering rules. */
export interface Unstable {
  /** Blocks that were written; undefined when they are too many to go through the journal. */
  readonly blocks: ReadonlySet<number> | undefined;
  readonly size: number;
  readonly used: number;
  readonly mtime: Nfstime3;
  readonly ctime: Nfstime3;
  /** Presence bits that changed, as whole chunks. */
  readonly chunks: ReadonlyMap<number, Uint8Array>;
}

/**
 * Up to here a copy to or from the page cache takes less time than handing it to a thread; above it,
 * and for whatever may wait for the disk, the event loop must not be held.
 */
const SYNC_IO_BYTES = 128 * 1024;

const fdatasyncOf = promisify(fdatasync);
const readOf = promisify(read);
const writevOf = promisify(writev);

/**
 * The sparse file that holds the contents a node got here. It is made by the first write, and is
 * never longer than the node says that the file is: what a crash or a failed write left beyond that
 * is cut when it is opened, so that it never shows when the file grows again.
 */
export class ShadowFile {
  readonly id: number;
  /** Whoever changes the contents or the size holds it. */
  readonly lock = new Mutex();
  unstable: Unstable | undefined;
  /** I/O in flight: the descriptor must stay open. */
  users = 0;
  readonly #path: string;
  readonly #directory: string;
  readonly #onAllocated: (bytes: number) => void;
  #descriptor: number | undefined;
  #nameUnsynced = false;
  /** Nothing lies beyond the size. */
  #isCut = false;
  /** Nor will after a power cut. */
  #isCutSynced = false;
  #isReadOnly = false;

  /** @param onAllocated told the bytes of disk that it takes, whenever they may have changed. */
  constructor(id: number, directory: string, path: string, onAllocated: (bytes: number) => void) {
    this.id = id;
    this.#onAllocated = onAllocated;
    this.#directory = directory;
    this.#path = path;
  }

  /** Whether zeros, and nothing older, would show after a power cut where the file grows now. */
  get growsWithZeros(): boolean {
    return this.#isCutSynced;
  }

  get idle(): boolean {
    return this.users === 0 && this.unstable === undefined && !this.#nameUnsynced && this.lock.idle;
  }

  /**
   * `length` bytes from `offset`, within the size; what the sparse file does not have is zeros. It works
   * on a disk that has become read-only too.
   */
  async read(offset: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(length);
    let done = 0;
    const descriptor = this.#openToRead();
    if (descriptor !== undefined) {
      this.users += 1;
      try {
        while (done < length) {
          const got =
            length <= SYNC_IO_BYTES
              ? readSync(descriptor, bytes, done, length - done, offset + done)
              : (await readOf(descriptor, bytes, done, length - done, offset + done)).bytesRead;
          if (got === 0) break;
          done += got;
        }
      } finally {
        this.users -= 1;
      }
    }
    return bytes.fill(0, done);
  }

  /**
   * Writes all parts, one after the other from `offset`.
   *
   * @param size of the file by now; when the write fails, what it left beyond is cut off again.
   */
  async write(parts: readonly Uint8Array[], offset: number, size: number): Promise<void> {
    const descriptor = this.#open(size, true);
    if (descriptor === undefined) throw new Error(`${this.#path} could not be made`);
    this.users += 1;
    try {
      let rest = parts.filter((part) => part.length > 0);
      let at = offset;
      while (rest.length > 0) {
        const length = rest.reduce((sum, part) => sum + part.length, 0);
        const written =
          length <= SYNC_IO_BYTES
            ? writevSync(descriptor, rest, at)
            : (await writevOf(descriptor, rest, at)).bytesWritten;
        at += written;
        rest = written === length ? [] : after(rest, written);
      }
      this.#allocated(descriptor);
    } catch (error) {
      this.cut(size);
      throw error;
    } finally {
      this.users -= 1;
    }
  }

  /**
   * Everything written, and the file's own name, to stable storage.
   *
   * @param isJournaled whether something of it is in the journal, and its name perhaps nowhere else.
   */
  async sync(size: number, isJournaled: boolean): Promise<void> {
    const descriptor = this.#open(size, false);
    if (descriptor === undefined) return;
    this.users += 1;
    try {
      await fdatasyncOf(descriptor);
      this.#isCutSynced = true;
      this.#allocated(descriptor);
      if (!this.#nameUnsynced && !isJournaled) return;
      await syncDirectory(this.#directory);
      this.#nameUnsynced = false;
    } finally {
      this.users -= 1;
    }
  }

  /** All of it is in the journal, which makes it anew after a power cut. */
  journaled(): void {
    this.#nameUnsynced = false;
  }

  /** Drops what lies beyond `size`; what the disk refuses now is done before the file is used again. */
  cut(size: number): void {
    this.#isCut = false;
    try {
      this.#open(size, false);
    } catch {
      // Whoever uses it next is told, or succeeds.
    }
  }

  /** Bytes of disk it takes. */
  bytesUsed(size: number): number {
    const descriptor = this.#open(size, false);
    return descriptor === undefined ? 0 : this.#allocated(descriptor);
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#isCut = this.#isCutSynced = false;
    this.#isReadOnly = false;
  }

  #allocated(descriptor: number): number {
    const bytes = allocatedBytes(fstatSync(descriptor));
    this.#onAllocated(bytes);
    return bytes;
  }

  #openToRead(): number | undefined {
    if (this.#descriptor !== undefined) return this.#descriptor;
    try {
      this.#descriptor = openIfThere(this.#path, constants.O_RDWR);
    } catch (error) {
      if (!isErrno(error, 'EROFS')) throw error;
      this.#descriptor = openIfThere(this.#path, constants.O_RDONLY);
      this.#isReadOnly = true;
    }
    return this.#descriptor;
  }

  #open(size: number, create: boolean): number | undefined {
    // Reads in flight keep the descriptor, which then fails whoever writes.
    if (this.#isReadOnly && this.users === 0) this.close();
    this.#descriptor ??= openIfThere(this.#path, constants.O_RDWR);
    if (this.#descriptor === undefined) {
      if (!create) return undefined;
      const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
      this.#descriptor = openSync(this.#path, flags, 0o600);
      this.#nameUnsynced = true;
      this.#isCutSynced = true;
      this.#onAllocated(0);
    } else if (!this.#isCut) {
      if (fstatSync(this.#descriptor).size > size) {
        this.#isCutSynced = false;
        ftruncateSync(this.#descriptor, size);
      }
      this.#allocated(this.#descriptor);
    }
    this.#isCut = true;
    return this.#descriptor;
  }
}

/** st_blocks counts these, whatever the file system's own blocks are. */
const STAT_BLOCK_BYTES = 512;

export function allocatedBytes({ blocks }: Stats): number {
  return blocks * STAT_BLOCK_BYTES;
}

function openIfThere(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function isErrno(error: unknown, code: 'ENOENT' | 'EROFS'): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** What is left of `parts` after their first `count` bytes. */
function after(parts: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let skip = count;
  for (const part of parts) {
    if (part.length > skip) rest.push(skip === 0 ? part : part.subarray(skip));
    skip = Math.max(0, skip - part.length);
  }
  return rest;
}
