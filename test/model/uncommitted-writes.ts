import type { Caller } from './callers.ts';

/** Bytes that a client has written and not committed: it must be able to send them again. */
export interface UncommittedWrite {
  readonly object: number;
  readonly offset: number;
  readonly end: number;
  readonly caller: Caller;
}

/** What a client keeps of its UNSTABLE writes: where they are; what is there, its page cache knows. */
export class UncommittedWrites {
  #writes: UncommittedWrite[] = [];

  add(write: UncommittedWrite): void {
    this.#writes.push(write);
  }

  committed(object: number): void {
    this.#writes = this.#writes.filter((write) => write.object !== object);
  }

  clear(): void {
    this.#writes = [];
  }

  /** All of them, to be sent again. */
  take(): readonly UncommittedWrite[] {
    const taken = this.#writes;
    this.clear();
    return taken;
  }
}
