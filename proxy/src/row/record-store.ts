import { statfs } from 'node:fs/promises';
import { open, type RootDatabase } from 'lmdb';

/** With less than this free, a failed commit is taken for a full disk. */
const FULL_DISK_BYTES = 256 * 1024;

/** A transaction that did not get to the disk; `code` as the file system's own errors have it. */
export class RecordStoreError extends Error {
  override readonly name = 'RecordStoreError';
  readonly code: 'ENOSPC' | 'EIO';

  constructor(code: 'ENOSPC' | 'EIO', message: string, options: ErrorOptions) {
    super(`${message}: ${code}`, options);
    this.code = code;
  }
}

/** Values by key; undefined for a key that is removed. */
export type Writes = ReadonlyMap<string, Buffer | undefined>;

/**
 * The records of a shadow (keys and values: records.ts) in lmdb, with group commit.
 *
 * What is staged is seen by the next `get` at once, and is durable when the promise of `durable` is
 * kept. Everything staged while one transaction is on its way to the disk makes up the next one, so
 * an fsync is shared by all who wait for one, and a set of writes staged together is never torn.
 *
 * A transaction that fails takes everything staged after it along, which was decided on its grounds:
 * all who wait are told, `onLoss` is called once, and the store stands where the disk stands.
 */
export class RecordStore {
  readonly #path: string;
  readonly #db: RootDatabase<Buffer, Buffer>;
  readonly #onLoss: (error: unknown) => void;
  #next = new Map<string, Buffer | undefined>();
  #committing: Writes = new Map();
  #nextDurable: Promise<void> | undefined;
  #committingDurable: Promise<void> | undefined;

  constructor(path: string, onLoss: (error: unknown) => void) {
    this.#path = path;
    // Batches are made here; lmdb's own, by turn of the event loop, leave rejections that nobody sees.
    const encodings = { encoding: 'binary', keyEncoding: 'binary' } as const;
    this.#db = open<Buffer, Buffer>({ path, ...encodings, eventTurnBatching: false });
    this.#onLoss = onLoss;
  }

  get(key: string): Buffer | undefined {
    const staged = this.#next;
    if (staged.size > 0 && staged.has(key)) return staged.get(key);
    const committing = this.#committing;
    if (committing.size > 0 && committing.has(key)) return committing.get(key);
    return this.#db.get(Buffer.from(key, 'latin1'));
  }

  stage(writes: Writes): void {
    for (const [key, value] of writes) this.#next.set(key, value);
    if (this.#nextDurable !== undefined) return;
    this.#nextDurable = this.#commitNext();
    // Not everybody who stages waits; who does gets the error from durable().
    this.#nextDurable.catch(() => undefined);
  }

  /** Resolves when all that is staged by now is on stable storage. */
  async durable(): Promise<void> {
    await (this.#nextDurable ?? this.#committingDurable);
  }

  /**
   * The *durable* records with keys from `from` on that begin with `prefix`, in order. What is only
   * staged is left out: nobody has been answered yet who could miss it.
   */
  *range(from: string, prefix: string): Generator<{ key: Buffer; value: Buffer }> {
    const start = Buffer.from(from, 'latin1');
    const first = Buffer.from(prefix, 'latin1');
    for (const { key, value } of this.#db.getRange({ start })) {
      if (first.compare(key, 0, first.length) !== 0) return;
      yield { key, value };
    }
  }

  async close(): Promise<void> {
    await this.durable();
    await this.#db.close();
  }

  async #commitNext(): Promise<void> {
    // What was staged on the grounds of a transaction that failed fails with it.
    await this.#committingDurable;
    // Everything decided in this turn of the event loop joins.
    await new Promise(setImmediate);
    this.#committing = this.#next;
    this.#committingDurable = this.#nextDurable;
    this.#next = new Map();
    this.#nextDurable = undefined;
    try {
      await this.#write(this.#committing);
    } catch (error) {
      this.#next = new Map();
      this.#nextDurable = undefined;
      this.#onLoss(error);
      throw error;
    } finally {
      this.#committing = new Map();
      this.#committingDurable = undefined;
    }
  }

  async #write(writes: Writes): Promise<void> {
    try {
      // Not transaction(): after one commit that failed, its promises are never settled again.
      await this.#db.batch(() => {
        for (const [key, value] of writes) {
          const binaryKey = Buffer.from(key, 'latin1');
          // Their promises are the batch's own.
          if (value === undefined) void this.#db.remove(binaryKey);
          else void this.#db.put(binaryKey, value);
        }
      });
      await this.#db.flushed;
    } catch (error) {
      throw await this.#explain(error);
    }
  }

  /** lmdb tells a full disk as EIO, and the reason of a failed commit as a promise of its own. */
  async #explain(error: unknown): Promise<RecordStoreError> {
    let cause = error;
    if (error instanceof Error && 'commitError' in error) {
      cause = await Promise.resolve(error.commitError).catch((reason: unknown) => reason);
    }
    const disk = await statfs(this.#path);
    const full = disk.bavail * disk.bsize < FULL_DISK_BYTES;
    return new RecordStoreError(full ? 'ENOSPC' : 'EIO', `cannot write to ${this.#path}`, {
      cause,
    });
  }
}
