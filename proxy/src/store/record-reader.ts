import { open, type RootDatabase } from 'lmdb';
import { GENERATION_KEY, readJournal } from './journal.ts';
import { journaledFrom, merged } from './merged-range.ts';

const GENERATION = Buffer.from(GENERATION_KEY, 'latin1');

/** One moment of a store of records, whoever writes to it meanwhile, in this process or another. */
export interface RecordReader {
  get(key: string): Buffer | undefined;
  /** The records with keys that begin with `prefix`, in order. */
  range(prefix: string): Generator<{ readonly key: Buffer; readonly value: Buffer }>;
  /** While it is open, no space of records that are removed meanwhile is used again. */
  close(): Promise<void>;
}

/** Opens the records in a directory to be read only. @throws what lmdb says. */
export function openRecordReader(path: string): RecordReader {
  const db = open<Buffer, Buffer>({
    path,
    encoding: 'binary',
    keyEncoding: 'binary',
    readOnly: true,
  });
  const { transaction, journaled } = oneMoment(path, db);
  return {
    get: (key) =>
      journaled.has(key) ? journaled.get(key) : db.get(Buffer.from(key, 'latin1'), { transaction }),
    *range(prefix) {
      const start = Buffer.from(prefix, 'latin1');
      const inLmdb = db.getRange({ start, transaction });
      yield* merged(inLmdb, start, journaledFrom(journaled, prefix, prefix));
    },
    close: async () => {
      transaction.done();
      await db.close();
    },
  };
}

type ReadTransaction = ReturnType<RootDatabase['useReadTransaction']>;

interface Moment {
  readonly transaction: ReadTransaction;
  readonly journaled: ReadonlyMap<string, Buffer | undefined>;
}

/** lmdb's records of one moment, and what the journal had besides then. */
function oneMoment(path: string, db: RootDatabase<Buffer, Buffer>): Moment {
  for (;;) {
    const transaction = db.useReadTransaction();
    const noted = db.get(GENERATION, { transaction });
    const journaled = journalOf(path, noted);
    db.resetReadTxn();
    // Otherwise a checkpoint in between took files away that this moment needs.
    if (journaled !== undefined && isSame(db.get(GENERATION), noted))
      return { transaction, journaled };
    transaction.done();
  }
}

/** Undefined when a file of it was taken away. */
function journalOf(path: string, noted: Buffer | undefined): Moment['journaled'] | undefined {
  try {
    return readJournal(path, Number(noted?.toString() ?? 0));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function isSame(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}
