import { statfs } from 'node:fs/promises';
import { constants } from 'node:os';
import { open, type RootDatabase } from 'lmdb';
import { FactLog } from './fact-log.ts';

/** With less than this free, a failed commit is taken for a full disk. */
const FULL_DISK_BYTES = 256 * 1024;

/** Records that cannot be written, or read (EAGAIN); `code` as the file system's own errors have it. */
export class RecordStoreError extends Error {
  override readonly name = 'RecordStoreError';
  readonly code: 'ENOSPC' | 'EROFS' | 'EIO' | 'EAGAIN';

  constructor(code: RecordStoreError['code'], message: string, options: ErrorOptions) {
    super(`${message}: ${code}`, options);
    this.code = code;
  }
}

/** What lmdb tells of its tree (MDB_stat), which its types leave open. */
interface PageStatistics {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

/** Values by key; undefined for a key that is removed. */
export type Writes = ReadonlyMap<string, Buffer | undefined>;

/** One transaction, from the first write that joins it to the end of its turn. */
class Transaction {
  readonly changes = new Map<string, Buffer | undefined>();
  readonly #durable = Promise.withResolvers<undefined>();
  /** The next one may begin; never rejected. */
  over: Promise<void> = Promise.resolve();
  /** Why it fails before it was tried: it builds on changes that were lost. */
  groundsLost: RecordStoreError | undefined;

  constructor() {
    // Not everybody who writes waits; who does gets the error.
    this.#durable.promise.catch(() => undefined);
  }

  get durable(): Promise<unknown> {
    return this.#durable.promise;
  }

  succeeded(): void {
    this.#durable.resolve(undefined);
  }

  failed(error: RecordStoreError): void {
    this.#durable.reject(error);
  }
}

/** How long facts wait for a transaction that takes them along, and for another when it failed. */
const FACTS_MS = 1_000;
/** So many facts have a transaction of their own. */
const MAX_LOGGED = 2_000;
/** From which generation on files of facts count. */
const GENERATION_KEY = 'mfacts';

/**
 * The records of a shadow (row/records.ts) and of its path table (failover/path-table.ts) in one lmdb
 * environment, with group commit.
 *
 * What is written is seen by the next `get` at once. Transactions follow each other, and each is whole
 * or not there: whatever is left after a power cut, all that was written before it is left too. That
 * is why both tables are in one store: a change cannot outlive the handles that it was made by.
 *
 * - Changes (`stage`) are on stable storage when `durable` resolves. All staged while one transaction
 *   is on its way to the disk makes up the next one, so an fsync is shared by all who wait for one. A
 *   transaction that fails takes everything staged after it along, which was decided on its grounds:
 *   all who wait are told, `onLoss` is called once, and the store stands where the disk stands.
 * - Facts (`keep`) are true whatever fails, and cost no fsync. They are in memory and in a file that is
 *   not synced (fact-log.ts) until a transaction has them, and each transaction tries. Once `kept`
 *   resolves they survive the process; a power cut may take those that no change was staged after.
 */
export class RecordStore {
  readonly #path: string;
  /** Undefined while it could not be opened again after a failure. */
  #db: RootDatabase<Buffer, Buffer> | undefined;
  readonly #onLoss: (error: unknown) => void;
  readonly #facts = new Map<string, Buffer>();
  #next: Transaction | undefined;
  #current: Transaction | undefined;
  #retry: NodeJS.Timeout | undefined;
  readonly #log: FactLog;
  /** Some facts are in memory alone: the disk did not take them. */
  #isUnlogged = false;

  constructor(path: string, onLoss: (error: unknown) => void) {
    this.#path = path;
    this.#db = openDatabase(path);
    this.#onLoss = onLoss;
    const noted = this.#db.get(Buffer.from(GENERATION_KEY, 'latin1'));
    const generation = Number(noted?.toString() ?? 0);
    this.#log = new FactLog(path, generation);
    for (const [key, value] of this.#log.read(generation)) this.#facts.set(key, value);
    if (this.#facts.size > 0) this.#begin();
  }

  get(key: string): Buffer | undefined {
    const staged = this.#next?.changes;
    if (staged !== undefined && staged.size > 0 && staged.has(key)) return staged.get(key);
    const committing = this.#current?.changes;
    if (committing !== undefined && committing.size > 0 && committing.has(key))
      return committing.get(key);
    return this.#facts.get(key) ?? this.#read((db) => db.get(Buffer.from(key, 'latin1')));
  }

  /** Changes records: all of these or none. */
  stage(writes: Writes): void {
    const { changes } = this.#begin();
    for (const [key, value] of writes) changes.set(key, value);
  }

  /** Adds records that nothing takes back. */
  keep(facts: ReadonlyMap<string, Buffer>): void {
    for (const [key, value] of facts) this.#facts.set(key, value);
    try {
      this.#log.append(facts);
      if (this.#facts.size >= MAX_LOGGED) this.#begin();
      else this.#commitFactsLater();
    } catch {
      // Full, perhaps: then lmdb may still have room in the pages that it has.
      this.#isUnlogged = true;
      this.#begin();
    }
  }

  /** Resolves when all facts that are kept by now survive the end of this process, however it ends. */
  async kept(): Promise<void> {
    if (this.#isUnlogged) await this.durableFacts();
  }

  /** Resolves when all facts that are kept by now are on stable storage. */
  async durableFacts(): Promise<void> {
    if (this.#facts.size > 0) this.#begin();
    await this.durable();
  }

  /** Resolves when all changes that are staged by now are on stable storage. */
  async durable(): Promise<void> {
    await (this.#next ?? this.#current)?.durable;
  }

  /**
   * The *committed* records with keys from `from` on that begin with `prefix`, in order. What is only
   * staged is left out: nobody has been answered yet who could miss it.
   */
  *range(from: string, prefix: string): Generator<{ key: Buffer; value: Buffer }> {
    const start = Buffer.from(from, 'latin1');
    const first = Buffer.from(prefix, 'latin1');
    for (const { key, value } of this.#read((db) => db.getRange({ start }))) {
      if (first.compare(key, 0, first.length) !== 0) return;
      yield { key, value };
    }
  }

  /** All keys that begin with `prefix`, those of staged records included. */
  keys(prefix: string): string[] {
    const keys = new Set<string>();
    for (const { key } of this.range(prefix, prefix)) keys.add(key.toString('latin1'));
    for (const transaction of [this.#current, this.#next]) {
      for (const [key, value] of transaction?.changes ?? []) {
        if (!key.startsWith(prefix)) continue;
        if (value === undefined) keys.delete(key);
        else keys.add(key);
      }
    }
    return [...keys];
  }

  /** Bytes of the pages that hold records; what else the file has is free for new ones. */
  bytesUsed(): number {
    const stats = this.#read((db) => db.getStats() as PageStatistics);
    const { treeBranchPageCount, treeLeafPageCount, overflowPages, pageSize } = stats;
    return (treeBranchPageCount + treeLeafPageCount + overflowPages) * pageSize;
  }

  async close(): Promise<void> {
    try {
      await this.durableFacts();
    } finally {
      clearTimeout(this.#retry);
      this.#log.close();
      await this.#db?.close();
    }
  }

  /** @throws RecordStoreError EAGAIN between a failure and the opening after it. */
  #read<T>(read: (db: RootDatabase<Buffer, Buffer>) => T): T {
    try {
      if (this.#db !== undefined) return read(this.#db);
    } catch (cause) {
      throw new RecordStoreError('EAGAIN', `cannot read ${this.#path} now`, { cause });
    }
    throw new RecordStoreError('EAGAIN', `${this.#path} is not open`, {});
  }

  #begin(): Transaction {
    if (this.#next !== undefined) return this.#next;
    const transaction = new Transaction();
    this.#next = transaction;
    transaction.over = this.#run(transaction, this.#current);
    return transaction;
  }

  async #run(transaction: Transaction, previous: Transaction | undefined): Promise<void> {
    await previous?.over;
    if (transaction.groundsLost !== undefined) {
      transaction.failed(transaction.groundsLost);
      this.#commitFactsLater();
      return;
    }
    // Everything decided in this turn of the event loop joins.
    await new Promise(setImmediate);
    this.#current = transaction;
    this.#next = undefined;
    try {
      if (this.#db === undefined) this.#reopen();
      await this.#commit(transaction.changes);
      transaction.succeeded();
    } catch (error) {
      const reason = await this.#explain(error);
      await this.#abandon();
      transaction.failed(reason);
      this.#commitFactsLater();
      if (transaction.changes.size > 0) this.#lose(reason);
    } finally {
      this.#current = undefined;
    }
  }

  async #commit(changes: Writes): Promise<void> {
    const db = this.#db;
    const facts = [...this.#facts];
    const wasUnlogged = this.#isUnlogged;
    this.#isUnlogged = false;
    const generation = this.#log.next();
    // Not transaction(): after one commit that failed, its promises are never settled again.
    try {
      await db?.batch(() => {
        for (const [key, value] of [...facts, ...changes]) {
          const binaryKey = Buffer.from(key, 'latin1');
          // Their promises are the batch's own.
          if (value === undefined) void db.remove(binaryKey);
          else void db.put(binaryKey, value);
        }
        if (facts.length > 0) {
          void db.put(Buffer.from(GENERATION_KEY, 'latin1'), Buffer.from(String(generation)));
        }
      });
    } catch (error) {
      this.#isUnlogged ||= wasUnlogged;
      throw error;
    }
    for (const [key, value] of facts) if (this.#facts.get(key) === value) this.#facts.delete(key);
    if (facts.length > 0) this.#log.forget(generation);
  }

  /** A database that could not write its meta page can only be closed. */
  async #abandon(): Promise<void> {
    const db = this.#db;
    this.#db = undefined;
    await db?.close().catch(() => undefined);
    try {
      this.#reopen();
    } catch {
      // The next transaction tries again, and is told.
    }
  }

  #reopen(): void {
    this.#db = openDatabase(this.#path);
  }

  #lose(reason: RecordStoreError): void {
    if (this.#next !== undefined) this.#next.groundsLost = reason;
    this.#next = undefined;
    // What is read from now on is what the disk has.
    this.#current = undefined;
    this.#onLoss(reason);
  }

  #commitFactsLater(): void {
    if (this.#facts.size === 0) return;
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#begin();
    }, FACTS_MS).unref();
  }

  /** lmdb tells a full disk as EIO, and the reason of a failed commit as a promise of its own. */
  async #explain(error: unknown): Promise<RecordStoreError> {
    let cause = error;
    if (error instanceof Error && 'commitError' in error) {
      cause = await Promise.resolve(error.commitError).catch((reason: unknown) => reason);
    }
    const disk = await statfs(this.#path).catch(() => undefined);
    const full = disk !== undefined && disk.bavail * disk.bsize < FULL_DISK_BYTES;
    const code = full || isErrno(cause, 'ENOSPC') ? 'ENOSPC' : 'EIO';
    const message = `cannot write to ${this.#path}`;
    return new RecordStoreError(isErrno(cause, 'EROFS') ? 'EROFS' : code, message, { cause });
  }
}

function openDatabase(path: string): RootDatabase<Buffer, Buffer> {
  return open<Buffer, Buffer>({
    path,
    encoding: 'binary',
    keyEncoding: 'binary',
    // Batches are made here; lmdb's own, by turn of the event loop, leave rejections that nobody sees.
    eventTurnBatching: false,
    // With it a commit whose fsync failed can be read nevertheless, and what is not on the disk may
    // be built on; without it lmdb throws the whole transaction away, and later ones do not need it.
    overlappingSync: false,
  });
}

/** lmdb's errors have the number of errno for their code. */
function isErrno(error: unknown, name: 'ENOSPC' | 'EROFS'): boolean {
  return error instanceof Error && 'code' in error && error.code === constants.errno[name];
}
