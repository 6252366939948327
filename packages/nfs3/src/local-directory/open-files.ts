import { closeSync, openSync } from 'node:fs';
import { LRUCache } from 'lru-cache';
import { statDescriptor } from './attributes.ts';
import type { Pin } from './pin.ts';

/** A file opened for its data. */
export interface OpenFile {
  readonly fd: number;
}

interface Counted extends OpenFile {
  users: number;
  evicted: boolean;
}

/**
 * Keeps files open between calls: NFS clients neither open nor close. A descriptor that is in use is
 * closed by its last user.
 */
export class OpenFiles {
  readonly #flags: number;
  readonly #files: LRUCache<bigint, Counted>;

  constructor(flags: number, max: number) {
    this.#flags = flags;
    this.#files = new LRUCache({
      max,
      dispose: (file) => {
        file.evicted = true;
        if (file.users === 0) closeSync(file.fd);
      },
    });
  }

  /** The data of a held inode. Use it in this turn, or inside of {@link using}. */
  open(pin: Pin): OpenFile {
    return this.#open(pin);
  }

  /** Keeps the file open until `work` has settled. */
  async using<T>(pin: Pin, work: (fd: number) => Promise<T>): Promise<T> {
    const file = this.#open(pin);
    file.users += 1;
    try {
      return await work(file.fd);
    } finally {
      file.users -= 1;
      if (file.users === 0 && file.evicted) closeSync(file.fd);
    }
  }

  release(ino: bigint): void {
    this.#files.delete(ino);
  }

  /** Lets go of all files that have no name any more: held open, they keep their blocks. */
  releaseRemoved(): void {
    for (const [ino, { fd }] of [...this.#files.entries()]) {
      if (statDescriptor(fd).nlink === 0n) this.#files.delete(ino);
    }
  }

  close(): void {
    this.#files.clear();
  }

  #open(pin: Pin): Counted {
    const known = this.#files.get(pin.ino);
    if (known !== undefined) return known;
    const file: Counted = { fd: openSync(pin.path, this.#flags), users: 0, evicted: false };
    this.#files.set(pin.ino, file);
    return file;
  }
}
