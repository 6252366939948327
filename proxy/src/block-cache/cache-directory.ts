import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, rmSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { lockFile, LockHeldError, lockHolder } from '@rowfs/lock-file';
import { encodeHeader, type SegmentLayout } from './segment-format.ts';

/** When it was begun, in ms, so that names are in the order of age; and what makes it the only one. */
const SEGMENT = /^segment-\d{13}-[0-9a-f]{8}$/;
const LOCK = /^lock\.(?<of>segment-\d{13}-[0-9a-f]{8})$/;
const SECTOR_BYTES = 512;

/** A segment as the directory shows it. */
export interface SegmentFile {
  readonly name: string;
  /** That it takes of the disk. */
  readonly bytes: number;
  /** A process, this one perhaps, appends to it. */
  readonly isHeld: boolean;
}

/**
 * The names in the directory of a cache, which processes share. Who appends to a segment, or removes one,
 * holds its lock; who removes any holds that of the directory besides.
 */
export class CacheDirectory {
  readonly path: string;
  #lastBegun = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** Names of the segments, the oldest first. @throws what the file system says. */
  segmentNames(): string[] {
    return readdirSync(this.path)
      .filter((name) => SEGMENT.test(name))
      .sort();
  }

  /** The oldest first. */
  segments(): SegmentFile[] {
    const names = readdirSync(this.path).sort();
    const locked = new Set(names.flatMap((name) => LOCK.exec(name)?.groups?.['of'] ?? []));
    return names.flatMap((name) => {
      if (!SEGMENT.test(name)) return [];
      const stats = statSync(join(this.path, name), { throwIfNoEntry: false });
      if (stats === undefined) return [];
      const isHeld = locked.has(name) && lockHolder(this.#lockPath(name)) !== undefined;
      return [{ name, bytes: stats.blocks * SECTOR_BYTES, isHeld }];
    });
  }

  /** Begins a segment. @returns its name, and what gives its lock back. */
  begin(layout: SegmentLayout): { readonly name: string; readonly release: () => void } {
    this.#lastBegun = Math.max(Date.now(), this.#lastBegun + 1);
    const age = String(this.#lastBegun).padStart(13, '0');
    const name = `segment-${age}-${randomBytes(4).toString('hex')}`;
    const release = lockFile(this.#lockPath(name));
    try {
      const descriptor = openSync(join(this.path, name), 'wx', 0o600);
      try {
        writeSync(descriptor, encodeHeader(layout), 0);
      } finally {
        closeSync(descriptor);
      }
      return { name, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Takes the lock of a segment. @returns what gives it back; undefined when another process has it. */
  lock(name: string): (() => void) | undefined {
    return lockUnlessHeld(this.#lockPath(name));
  }

  /** Only who has it removes segments. @returns what gives it back; undefined when another process has it. */
  lockAll(): (() => void) | undefined {
    return lockUnlessHeld(join(this.path, 'lock'));
  }

  has(name: string): boolean {
    return statSync(join(this.path, name), { throwIfNoEntry: false }) !== undefined;
  }

  /** Whoever has it open goes on reading it. */
  remove(name: string): void {
    unlinkSync(join(this.path, name));
  }

  /** Takes away what processes left that were killed: to be called by who has the lock of all. */
  removeLeftBehind(): void {
    const names = new Set(readdirSync(this.path));
    for (const name of names) {
      const of = LOCK.exec(name)?.groups?.['of'];
      const isAbandoned = of !== undefined && !names.has(of) && this.#isFree(name);
      if (isAbandoned || isOfGoneProcess(name)) rmSync(join(this.path, name), { force: true });
    }
  }

  #isFree(lock: string): boolean {
    return lockHolder(join(this.path, lock)) === undefined;
  }

  #lockPath(name: string): string {
    return join(this.path, `lock.${name}`);
  }
}

/** What is made aside, and gets its name when it is whole, bears the process in its name. */
function isOfGoneProcess(name: string): boolean {
  const pid = /^(?:lock|pin-).*\.(?<pid>\d+)(?:\.new|\.abandoned)?$/.exec(name)?.groups?.['pid'];
  if (pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function lockUnlessHeld(path: string): (() => void) | undefined {
  try {
    return lockFile(path);
  } catch (error) {
    if (error instanceof LockHeldError) return undefined;
    throw error;
  }
}
