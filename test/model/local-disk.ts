import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Caller } from './callers.ts';
import type { Operation } from './operation.ts';

export type ObjectType =
  'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'character device' | 'block device';

/** Nanoseconds since 1970. */
export type Instant = bigint;

/** An object as it is on the disk. */
export interface DiskObject {
  readonly type: ObjectType;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** Of a file, or a symbolic link. */
  readonly size: number;
  readonly rdev: { readonly major: number; readonly minor: number };
  readonly mtime: Instant;
  readonly ctime: Instant;
  /** Of a file. */
  readonly content: Uint8Array | undefined;
  /** Of a symbolic link. */
  readonly target: string | undefined;
  /** Of a directory: its names and the numbers of their objects. */
  readonly entries: ReadonlyMap<string, number> | undefined;
}

/** All objects there ever were, by number; undefined when the last name of one is gone. */
export type DiskState = readonly (DiskObject | undefined)[];

/** What the kernel made of an operation. */
export interface DiskOutcome {
  /** Names of nfsstat3: one, unless several things were wrong at once. */
  readonly statuses: readonly string[];
  /** What was made, or found: its number. */
  readonly object?: number;
  readonly data?: Uint8Array;
  readonly isEnd?: boolean;
  /** Bits of ACCESS. */
  readonly access?: number;
  readonly target?: string;
  /** Sorted. */
  readonly names?: readonly string[];
}

export type DiskRequest =
  | { readonly kind: 'begin'; readonly directory: string }
  | { readonly kind: 'perform'; readonly operation: Operation; readonly caller: Caller }
  | { readonly kind: 'state' }
  | { readonly kind: 'end' };

/**
 * A directory of this machine's disk, operated by a process of its own, which takes on the user and
 * the groups of each caller: who may do what is what the kernel says.
 */
export class LocalDisk {
  readonly #process: ChildProcess;

  static async start(): Promise<LocalDisk> {
    const script = join(import.meta.dirname, 'local-disk-process.ts');
    const child = fork(script, { serialization: 'advanced' });
    await once(child, 'message');
    return new LocalDisk(child);
  }

  private constructor(child: ChildProcess) {
    this.#process = child;
  }

  /** Fills an empty directory with the tree to begin with; its objects are numbered by path. */
  begin(directory: string): Promise<{ readonly paths: readonly string[] }> {
    return this.#ask({ kind: 'begin', directory });
  }

  perform(operation: Operation, caller: Caller): Promise<DiskOutcome> {
    return this.#ask({ kind: 'perform', operation, caller });
  }

  state(): Promise<DiskState> {
    return this.#ask({ kind: 'state' });
  }

  /** Lets go of the directory, so that another can be begun. */
  async end(): Promise<void> {
    await this.#ask({ kind: 'end' });
  }

  async close(): Promise<void> {
    const exited = once(this.#process, 'exit');
    this.#process.disconnect();
    await exited;
  }

  async #ask<Answer>(request: DiskRequest): Promise<Answer> {
    this.#process.send(request);
    const [answer] = (await once(this.#process, 'message')) as [
      { readonly answer: Answer } | { readonly failed: string },
    ];
    if ('failed' in answer) throw new Error(`the local disk failed: ${answer.failed}`);
    return answer.answer;
  }
}
