import { open } from 'lmdb';

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
  const transaction = db.useReadTransaction();
  return {
    get: (key) => db.get(Buffer.from(key, 'latin1'), { transaction }),
    *range(prefix) {
      const first = Buffer.from(prefix, 'latin1');
      for (const { key, value } of db.getRange({ start: first, transaction })) {
        if (first.compare(key, 0, first.length) !== 0) return;
        yield { key, value };
      }
    },
    close: async () => {
      transaction.done();
      await db.close();
    },
  };
}
