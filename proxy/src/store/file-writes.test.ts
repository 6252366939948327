import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileWriteKey } from './file-writes.ts';
import { Journal } from './journal.ts';
import { openRecordReader } from './record-reader.ts';
import { RecordStore, settleJournal } from './record-store.ts';

/** Records, and a file beside them. */
function place(t: TestContext): { readonly records: string; readonly file: string } {
  const base = mkdtempSync(join(tmpdir(), 'rowfs-file-writes-'));
  t.after(() => rmSync(base, { recursive: true }));
  const records = join(base, 'records');
  mkdirSync(records);
  mkdirSync(join(base, 'data'));
  return { records, file: join(base, 'data', 'file') };
}

/** What a process leaves in the journal that is killed. */
function leave(records: string, writes: ReadonlyMap<string, Buffer | undefined>): void {
  const journal = new Journal(records, 0);
  journal.append(writes);
  journal.close();
}

const at = (offset: number): string => fileWriteKey('data/file', offset);

test('what a power cut took from a file is written again, and then forgotten', async (t) => {
  const { records, file } = place(t);
  writeFileSync(file, 'old-');
  leave(records, new Map([[at(4), Buffer.from('new')]]));
  await settleJournal(records);
  assert.equal(readFileSync(file, 'latin1'), 'old-new');
  writeFileSync(file, 'newer');
  await settleJournal(records);
  await new RecordStore(records, () => undefined).close();
  assert.equal(readFileSync(file, 'latin1'), 'newer');
  assert.deepEqual(
    readdirSync(records).filter((name) => name.startsWith('journal')),
    [],
  );
});

test('a file whose name went, too, is there again; one whose directory went is not missed', async (t) => {
  const { records, file } = place(t);
  leave(
    records,
    new Map([
      [at(2), Buffer.from('x')],
      [fileWriteKey('gone/file', 0), Buffer.from('y')],
    ]),
  );
  await settleJournal(records);
  assert.deepEqual(readFileSync(file), Buffer.from('\0\0x'));
});

test('a write that was taken back is not made again, and none is a record', async (t) => {
  const { records, file } = place(t);
  const store = new RecordStore(records, () => undefined);
  store.stage(
    new Map([
      [at(0), Buffer.from('a')],
      [at(16), Buffer.from('b')],
      ['record', Buffer.from('r')],
    ]),
  );
  assert.deepEqual(store.fileWrites('data/file'), [at(0), at(16)]);
  await store.durable();
  assert.deepEqual(store.fileWrites('data/file'), [at(0), at(16)]);
  store.stage(new Map([[at(0), undefined]]));
  assert.deepEqual(store.fileWrites('data/file'), [at(16)]);
  await store.durable();
  assert.deepEqual(store.keys(''), ['record']);
  // As a process finds it that opens it after this one was killed.
  const reader = openRecordReader(records);
  assert.deepEqual(
    [...reader.range('')].map(({ key }) => key.toString('latin1')),
    ['record'],
  );
  await reader.close();
  writeFileSync(file, 'c');
  await store.close();
  assert.deepEqual(readFileSync(file, 'latin1'), 'c');
});
