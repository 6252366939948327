import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Journal, readJournal } from './journal.ts';

function emptyDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'rowfs-journal-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

const PREFIX = 'key \xff of ';
const writes = (...names: readonly string[]): Map<string, Buffer> =>
  new Map(names.map((name) => [PREFIX + name, Buffer.from(name.repeat(100))]));

/** What a process that opens the directory next finds, when the records have noted `generation`. */
const found = (directory: string, generation = 0): string[] =>
  [...readJournal(directory, generation)].map(([key, value]) => {
    const name = key.slice(PREFIX.length);
    if (value === undefined) return `no ${name}`;
    assert.deepEqual(value, writes(name).get(key));
    return name;
  });

test('what was appended outlives whoever did, and later writes count', async (t) => {
  const directory = emptyDirectory(t);
  const journal = new Journal(directory, 0);
  journal.append(writes('a', 'b'));
  journal.append(writes('c'));
  await journal.sync();
  journal.next();
  journal.append(new Map([...writes('d', 'a'), [`${PREFIX}b`, undefined]]));
  journal.close();
  assert.deepEqual(found(directory), ['a', 'no b', 'c', 'd']);
  const again = new Journal(directory, 0);
  again.append(writes('e'));
  again.close();
  assert.deepEqual(found(directory), ['a', 'no b', 'c', 'd', 'e']);
});

test('what the records have is forgotten, even when its file came back', (t) => {
  const directory = emptyDirectory(t);
  const journal = new Journal(directory, 0);
  journal.append(writes('a'));
  const generation = journal.next();
  journal.append(writes('b'));
  assert.deepEqual(found(directory, generation), ['b']);
  journal.forget(generation);
  journal.close();
  assert.equal(readdirSync(directory).length, 1);
  assert.deepEqual(found(directory), ['b']);
});

test('a file is used again, and nothing that it held before is found in it', (t) => {
  const directory = emptyDirectory(t);
  const journal = new Journal(directory, 0);
  journal.append(writes('a', 'b', 'c', 'd'));
  const second = journal.next();
  journal.append(writes('e'));
  journal.forget(second);
  const third = journal.next();
  journal.forget(third);
  const [name = ''] = readdirSync(directory);
  const { ino, size } = statSync(join(directory, name));
  // As long as the frame that was there: what follows it would be found, were it not of another generation.
  journal.append(writes('A', 'B', 'C', 'D'));
  const [used = ''] = readdirSync(directory).filter((each) => each !== name);
  assert.deepEqual({ ino, size }, { ino: statSync(join(directory, used)).ino, size });
  assert.deepEqual(found(directory, third), ['A', 'B', 'C', 'D']);
  journal.close();
  assert.deepEqual(found(directory, third), ['A', 'B', 'C', 'D']);
  assert.deepEqual(readdirSync(directory), [used]);
});

test('of a file that a power cut tore whole transactions count, up to the first that is not', (t) => {
  const directory = emptyDirectory(t);
  const journal = new Journal(directory, 0);
  journal.append(writes('a'));
  journal.append(writes('b', 'c'));
  const { bytes } = journal;
  journal.close();
  const [name = ''] = readdirSync(directory);
  const path = join(directory, name);
  appendFileSync(path, Buffer.alloc(4096));
  assert.deepEqual(found(directory), ['a', 'b', 'c']);
  truncateSync(path, bytes - 1);
  assert.deepEqual(found(directory), ['a']);
  writeFileSync(path, Buffer.alloc(4096));
  assert.deepEqual(found(directory), []);
});
