import { statfs } from 'node:fs/promises';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { fileWritePrefix, isFileWrite, redoFileWrites, syncFileWrites } from './file-writes.ts';
import {
  GENERATION_KEY,
  hasJournal,
  Journal,
  readJournal,
  syncJournal,
  type Writes,
} from './journal.ts';
import { journaledFrom, merged } from './merged-range.ts';

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

/** How long what is journaled waits for the records to take it, and how much of it at most. */
const CHECKPOINT_MS = 1_000;
const MAX_JOURNALED = 2_000;
const MAX_JOURNAL_BYTES = 4 * 1024 * 1024;

/**
 * The records of a shadow (shadow/records.ts) and of its path table (failover/path-records.ts): one lmdb
 * environment behind one write-ahead journal, with group commit.
 *
 * What is written is seen by the next `get` at once. Transactions follow each other, and each is whole
 * or not there: whatever is left after a power cut, all that was written before it is left too. That
 * is why both tables are in one store: a change cannot outlive the handles that it was made by.
 *
 * - Changes (`stage`) are on stable storage, in the journal, when `durable` resolves. All staged while one
 *   transaction is on its way to the disk makes up the next one, so an fsync is shared by all who wait
 *   for one. A transaction that neither the journal nor lmdb takes brings down everything staged after it,
 *   which was decided on its grounds: all who wait are told, `onLoss` is called once, and the store stands
 *   where the disk stands.
 * - Facts (`keep`) are true whatever fails, and cost no fsync. Once `kept` resolves they survive the
 *   process; a power cut may take those that no change was staged after.
 * - A checkpoint is one transaction of lmdb with all that is journaled, and begins a new journal.
 * - Writes to files beside the records (file-writes.ts) may be staged too, after they were made. They are in the
 *   journal alone, which has them until their files are on stable storage, and are made again at the opening.
 */
export class RecordStore {
  readonly #path: string;
  /** Undefined while it could not be opened again after a failure. */
  #db: RootDatabase<Buffer, Buffer> | undefined;
  readonly #journal: Journal;
  readonly #onLoss: (error: unknown) => void;
  readonly #facts = new Map<string, Buffer>();
  /** On stable storage, and not in lmdb yet. */
  #journaled: Map<string, Buffer | undefined>;
  #next: Transaction | undefined;
  #current: Transaction | undefined;
  /** The end of the turn of the last transaction that was begun. */
  #over: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #isCheckpointDue = false;
  /** Something failed: what the journal has behind it cannot be read, or lmdb takes nothing. */
  #isJournalBroken = false;
  /** The last sync of a file of journaled writes has failed. */
  #hasUnsynced = false;
  /** Some facts are in memory alone. */
  #isUnlogged = false;

  constructor(path: string, onLoss: (error: unknown) => void) {
    this.#path = path;
    this.#onLoss = onLoss;
    this.#db = openDatabase(path);
    const generation = generationOf(this.#db);
    // What is read is shown, and what was shown must not be gone after a power cut.
    syncJournal(path, generation);
    this.#journaled = readJournal(path, generation);
    redoFileWrites(dirname(path), this.#journaled);
    this.#journal = new Journal(path, generation);
    if (this.#journaled.size > 0) this.#checkpointLater();
  }

  get(key: string): Buffer | undefined {
    const staged = this.#next?.changes;
    if (staged !== undefined && staged.size > 0 && staged.has(key)) return staged.get(key);
    const committing = this.#current?.changes;
    if (committing !== undefined && committing.size > 0 && committing.has(key))
      return committing.get(key);
    if (this.#journaled.size > 0 && this.#journaled.has(key)) return this.#journaled.get(key);
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
      if (this.#isJournalBroken) this.#isUnlogged = true;
      else this.#journal.append(facts);
    } catch {
      // Full, perhaps: then lmdb may still have room in the pages that it has.
      this.#isUnlogged = this.#isJournalBroken = true;
    }
    if (this.#isUnlogged || this.#isJournalFull()) this.#begin();
    else this.#checkpointLater();
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
   * The *durable* records with keys from `from` on that begin with `prefix`, in order. What is only
   * staged is left out: nobody has been answered yet who could miss it.
   */
  *range(from: string, prefix: string): Generator<{ key: Buffer; value: Buffer }> {
    const start = Buffer.from(from, 'latin1');
    const first = Buffer.from(prefix, 'latin1');
    const inLmdb = this.#read((db) => db.getRange({ start }));
    yield* merged(inLmdb, first, journaledFrom(this.#journaled, from, prefix));
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

  /** Keys of the writes to the file that are journaled, or about to be. */
  fileWrites(path: string): string[] {
    const prefix = fileWritePrefix(path);
    const keys = new Set<string>();
    for (const writes of [this.#journaled, this.#current?.changes, this.#next?.changes])
      for (const [key, value] of writes ?? []) {
        if (!key.startsWith(prefix)) continue;
        if (value === undefined) keys.delete(key);
        else keys.add(key);
      }
    return [...keys];
  }

  /** Bytes of the pages that hold records; what else lmdb has, and the journal, is room for new ones. */
  bytesUsed(): number {
    const stats = this.#read((db) => db.getStats() as PageStatistics);
    const { treeBranchPageCount, treeLeafPageCount, overflowPages, pageSize } = stats;
    return (treeBranchPageCount + treeLeafPageCount + overflowPages) * pageSize;
  }

  async close(): Promise<void> {
    try {
      await this.durableFacts();
      this.#isCheckpointDue = this.#journaled.size + this.#facts.size > 0;
      if (this.#isCheckpointDue) this.#begin();
      await this.#over;
    } finally {
      clearTimeout(this.#timer);
      this.#journal.close();
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
    this.#over = this.#run(transaction, this.#over);
    return transaction;
  }

  async #run(transaction: Transaction, previous: Promise<void>): Promise<void> {
    await previous;
    if (transaction.groundsLost !== undefined) {
      transaction.failed(transaction.groundsLost);
      this.#checkpointLater();
      return;
    }
    // Everything decided in this turn of the event loop joins.
    await new Promise(setImmediate);
    this.#current = transaction;
    this.#next = undefined;
    try {
      await this.#commit(transaction.changes);
      this.#current = undefined;
      transaction.succeeded();
    } catch (error) {
      this.#current = undefined;
      const reason = await this.#explain(error);
      transaction.failed(reason);
      if (transaction.changes.size > 0) this.#lose(reason);
    }
    // Whoever waited has been answered; the next transaction waits for this.
    if (this.#isCheckpointDue || this.#isJournalFull())
      await this.#checkpoint(new Map()).catch(() => undefined);
    this.#checkpointLater();
  }

  /** To the journal; what that does not take goes to lmdb at once, which may have room or another disk's luck. */
  async #commit(changes: Writes): Promise<void> {
    if (this.#isJournalBroken) return this.#checkpoint(changes);
    try {
      if (changes.size > 0) this.#journal.append(changes);
      await this.#journal.sync();
    } catch {
      return this.#checkpoint(changes);
    }
    for (const [key, value] of changes) this.#journaled.set(key, value);
  }

  /** Brings all that is journaled, and `changes` with it, to lmdb, and begins a new journal. */
  async #checkpoint(changes: Writes): Promise<void> {
    const facts = [...this.#facts];
    const records = [...this.#journaled, ...facts, ...changes].filter(([key]) => !isFileWrite(key));
    const fileWrites = new Map(
      [...this.#journaled, ...changes].filter(([key]) => isFileWrite(key)),
    );
    const generation = this.#journal.next();
    this.#isJournalBroken = this.#isUnlogged = this.#isCheckpointDue = false;
    let unsynced: Map<string, Buffer>;
    try {
      unsynced = await this.#syncFiles(fileWrites);
      this.#journal.append(unsynced);
      await this.#journal.sync();
      this.#db ??= openDatabase(this.#path);
      const db = this.#db;
      // Not transaction(): after one commit that failed, its promises are never settled again.
      await db.batch(() => {
        for (const [key, value] of records) {
          const binaryKey = Buffer.from(key, 'latin1');
          // Their promises are the batch's own.
          if (value === undefined) void db.remove(binaryKey);
          else void db.put(binaryKey, value);
        }
        void db.put(Buffer.from(GENERATION_KEY, 'latin1'), Buffer.from(String(generation)));
      });
    } catch (error) {
      const reason = await this.#explain(error);
      await this.#abandon();
      // The files of the journal still count, and with them perhaps what was to be thrown away: nothing
      // is built on it before lmdb has said from which file on they do not.
      this.#isJournalBroken = this.#isUnlogged = true;
      throw reason;
    }
    this.#journaled = unsynced;
    for (const [key, value] of facts) if (this.#facts.get(key) === value) this.#facts.delete(key);
    this.#journal.forget(generation);
  }

  /**
   * Brings the files of journaled writes to stable storage.
   *
   * @returns the writes to files with which that failed: the journal has to keep them.
   */
  async #syncFiles(writes: Writes): Promise<Map<string, Buffer>> {
    const base = dirname(this.#path);
    const { failed, reason } = await syncFileWrites(base, writes);
    // After an fsync that failed nobody knows what the file has, and the next one may not tell: what is
    // journaled is written again, over what was not, which is lost.
    if (failed.size > 0 && !this.#hasUnsynced) this.#onLoss(reason);
    this.#hasUnsynced = failed.size > 0;
    redoFileWrites(base, failed);
    return failed;
  }

  /** A database that could not write its meta page can only be closed. */
  async #abandon(): Promise<void> {
    const db = this.#db;
    this.#db = undefined;
    await db?.close().catch(() => undefined);
    try {
      this.#db = openDatabase(this.#path);
    } catch {
      // The next checkpoint tries again, and is told.
    }
  }

  #lose(reason: RecordStoreError): void {
    if (this.#next !== undefined) this.#next.groundsLost = reason;
    this.#next = undefined;
    // What is read from now on is what the disk has.
    this.#onLoss(reason);
  }

  #isJournalFull(): boolean {
    return (
      this.#journaled.size + this.#facts.size >= MAX_JOURNALED ||
      this.#journal.bytes >= MAX_JOURNAL_BYTES
    );
  }

  #checkpointLater(): void {
    if (this.#journaled.size + this.#facts.size === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#isCheckpointDue = true;
      this.#begin();
    }, CHECKPOINT_MS).unref();
  }

  /** lmdb tells a full disk as EIO, and the reason of a failed commit as a promise of its own. */
  async #explain(error: unknown): Promise<RecordStoreError> {
    if (error instanceof RecordStoreError) return error;
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

/**
 * Brings what a crash left in the journal to where it belongs, so that who only reads finds it there.
 * Nobody may use the records meanwhile.
 *
 * @throws RecordStoreError, and what the disk says
 */
export async function settleJournal(path: string): Promise<void> {
  if (hasJournal(path)) await new RecordStore(path, () => undefined).close();
}

function generationOf(db: RootDatabase<Buffer, Buffer>): number {
  return Number(db.get(Buffer.from(GENERATION_KEY, 'latin1'))?.toString() ?? 0);
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
