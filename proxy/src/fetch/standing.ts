import type { ServerFault, ServerFaultCode } from './server-fault.ts';

/** Whether a server is asked like the others, only when no other is left, or for one block, to see. */
export type Trust = 'trusted' | 'distrusted' | 'on-probation';

/** A server that goes on giving wrong blocks is tried again this many times later, at most. */
const MAX_PATIENCE_FACTOR = 64;

/** What a server has done so far, over all its mounts: what it brought, and what was wrong with it. */
export class Standing {
  /** Blocks that it was the first to bring, and those that were wrong. */
  blocks = 0;
  badBlocks = 0;
  /** Bytes that came, and those among them that were of no use: wrong, or somebody else was first. */
  bytesFetched = 0;
  bytesWasted = 0;
  readonly #distrustMs: number;
  readonly #kinds = new Set<ServerFaultCode>();
  #fault: ServerFault | undefined;
  #since = new Date();
  #until = 0;
  #factor = 1;

  constructor(distrustMs: number) {
    this.#distrustMs = distrustMs;
  }

  get trust(): Trust {
    if (this.#fault === undefined) return 'trusted';
    return performance.now() < this.#until ? 'distrusted' : 'on-probation';
  }

  /** Why the server is not trusted, and since when; undefined when it is. */
  get distrust(): { readonly fault: ServerFault; readonly since: Date } | undefined {
    return this.#fault && { fault: this.#fault, since: this.#since };
  }

  /** @returns whether it is the server's first fault of this kind. */
  blame(fault: ServerFault): boolean {
    const { trust } = this;
    if (trust === 'trusted') this.#since = new Date();
    if (trust !== 'distrusted') {
      this.#until = performance.now() + this.#distrustMs * this.#factor;
      this.#factor = Math.min(this.#factor * 2, MAX_PATIENCE_FACTOR);
    }
    this.#fault = fault;
    const isNew = !this.#kinds.has(fault.code);
    this.#kinds.add(fault.code);
    return isNew;
  }

  /** A block was right. One that a distrusted server was asked for proves nothing of the others. */
  praise(): void {
    if (this.trust === 'on-probation') this.#fault = undefined;
  }
}
