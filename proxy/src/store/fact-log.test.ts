import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { FactLog } from './fact-log.ts';

function emptyDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'rowfs-facts-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

const facts = (...names: readonly string[]): Map<string, Buffer> =>
  new Map(names.map((name) => [`key \xff of ${name}`, Buffer.from(name.repeat(100))]));

/** What a process that opens the directory next finds, when the records have noted `generation`. */
const found = (directory: string, generation = 0): string[] =>
  [...new FactLog(directory, generation).read(generation)].map(([key, value]) => {
    const name = key.slice('key \xff of '.length);
    assert.deepEqual(value, facts(name).get(key));
    return name;
  });

test('facts outlive whoever kept them, and later ones count', (t) => {
  const directory = emptyDirectory(t);
  const log = new FactLog(directory, 0);
  log.append(facts('a', 'b'));
  log.append(facts('c'));
  log.next();
  log.append(facts('d', 'a'));
  log.close();
  assert.deepEqual(found(directory), ['a', 'b', 'c', 'd']);
  const again = new FactLog(directory, 0);
  again.append(facts('e'));
  again.close();
  assert.deepEqual(found(directory), ['a', 'b', 'c', 'd', 'e']);
});

test('what the records have is forgotten, even when its file came back', (t) => {
  const directory = emptyDirectory(t);
  const log = new FactLog(directory, 0);
  log.append(facts('a'));
  const generation = log.next();
  log.append(facts('b'));
  assert.deepEqual(found(directory, generation), ['b']);
  log.forget(generation);
  log.close();
  assert.equal(readdirSync(directory).length, 1);
  assert.deepEqual(found(directory), ['b']);
});

test('a file that a power cut tore counts up to there', (t) => {
  const directory = emptyDirectory(t);
  const log = new FactLog(directory, 0);
  log.append(facts('a', 'b'));
  log.close();
  const [name = ''] = readdirSync(directory);
  const path = join(directory, name);
  appendFileSync(path, Buffer.alloc(4096));
  assert.deepEqual(found(directory), ['a', 'b']);
  truncateSync(path, 200);
  assert.deepEqual(found(directory), ['a']);
  writeFileSync(path, Buffer.alloc(4096));
  assert.deepEqual(found(directory), []);
});
