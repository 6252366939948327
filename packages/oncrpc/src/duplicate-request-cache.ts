import { LRUCache } from 'lru-cache';

/** How much the cache keeps; the oldest replies go first. */
export interface DuplicateRequestCacheLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** An xid seen again later than this is another call, not a re-sent one. */
  readonly maxAgeMs: number;
}

export const DEFAULT_DUPLICATE_REQUEST_CACHE: DuplicateRequestCacheLimits = {
  maxEntries: 4096,
  maxBytes: 8 * 1024 * 1024,
  maxAgeMs: 120_000,
};

interface Running {
  readonly reply: Promise<Uint8Array>;
  askers: number;
}

/**
 * Runs a call that is not idempotent once, however often it is sent.
 *
 * A client whose connection dropped sends its unanswered calls again on the next one, under the
 * same xids. A repeated CREATE must then get the first one's reply, not NFS3ERR_EXIST. The cache
 * therefore spans connections, and a call that is still running is joined instead of repeated.
 */
export class DuplicateRequestCache {
  readonly #running = new Map<string, Running>();
  readonly #replies: LRUCache<string, Uint8Array>;

  constructor(limits: DuplicateRequestCacheLimits) {
    this.#replies = new LRUCache({
      max: limits.maxEntries,
      maxSize: limits.maxBytes,
      ttl: limits.maxAgeMs,
      sizeCalculation: (reply, key) => reply.length + key.length,
    });
  }

  /**
   * The reply to the call that `key` identifies; `run` is called unless it ran or is running.
   *
   * @returns undefined when the same call was sent again meanwhile: the later one is answered.
   * @throws what `run` throws, to each that waits for it; then nothing is kept.
   */
  async reply(key: string, run: () => Promise<Uint8Array>): Promise<Uint8Array | undefined> {
    const kept = this.#replies.get(key);
    if (kept !== undefined) return kept;
    let running = this.#running.get(key);
    if (running === undefined) {
      running = { reply: this.#run(key, run), askers: 0 };
      this.#running.set(key, running);
    }
    running.askers += 1;
    const turn = running.askers;
    const reply = await running.reply;
    return turn === running.askers ? reply : undefined;
  }

  async #run(key: string, run: () => Promise<Uint8Array>): Promise<Uint8Array> {
    try {
      const reply = await run();
      this.#replies.set(key, reply);
      return reply;
    } finally {
      this.#running.delete(key);
    }
  }
}
