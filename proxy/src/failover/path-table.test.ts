import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import { TestBench } from '../test-support/image-servers.ts';
import { NodeHandles, ROOT_NODE } from './node-handle.ts';
import { RecordStore } from '../store/record-store.ts';
import { PathTable } from './path-table.ts';

const logger = pino({ level: 'silent' });
let bench: TestBench;
let directory: string;
beforeEach(async () => {
  bench = new TestBench();
  directory = await bench.directory();
});
afterEach(() => bench.close());

async function openTable(path: string): Promise<PathTable & AsyncDisposable> {
  const records = new RecordStore(path, () => undefined);
  const table = await PathTable.open(records, logger);
  return Object.assign(table, {
    [Symbol.asyncDispose]: async () => {
      await table.close();
      await records.close();
    },
  });
}

describe('PathTable', () => {
  it('remembers names of all bytes, and its id, after it was opened again', async () => {
    const anyName = fc
      .uint8Array({ minLength: 1, maxLength: 255 })
      .map((bytes) => Buffer.from(bytes).toString('latin1'));
    const names = fc.sample(fc.uniqueArray(anyName, { minLength: 50, maxLength: 50 }), 1)[0]!;
    const first = await openTable(directory);
    const nodes = names.map((name) => first.add(ROOT_NODE, name, undefined));
    const below = first.add(nodes[0]!, names[1]!, undefined);
    for (const [index, name] of names.entries())
      assert.equal(first.child(ROOT_NODE, name), nodes[index], 'known before it is on disk');
    await first[Symbol.asyncDispose]();
    const second = await openTable(directory);
    assert.deepEqual(second.id, first.id);
    for (const [index, name] of names.entries()) {
      assert.equal(second.child(ROOT_NODE, name), nodes[index]);
      assert.deepEqual(second.names(nodes[index]!), [{ parent: ROOT_NODE, name }]);
    }
    assert.equal(second.child(nodes[0]!, names[1]!), below);
    assert.equal(second.child(nodes[1]!, names[1]!), undefined);
    assert.equal(second.names(below + 1), undefined);
    await second[Symbol.asyncDispose]();
  });

  it('gives no id twice, not even one that was lost before it was on disk', async () => {
    const first = await openTable(directory);
    // As if the power went before any of these was written: another table on a copy of the disk.
    const copy = await bench.copyOf(directory);
    const lost = first.add(ROOT_NODE, 'lost', undefined);
    await first[Symbol.asyncDispose]();
    const second = await openTable(copy);
    assert.equal(second.names(lost), undefined);
    assert.ok(second.add(ROOT_NODE, 'another', undefined) > lost);
    await second[Symbol.asyncDispose]();
  });

  it('knows which files have names that are not known yet', async () => {
    const linked = { nlink: 2, size: 10 };
    const first = await openTable(directory);
    const node = first.add(ROOT_NODE, 'one', linked);
    first.add(ROOT_NODE, 'other', { nlink: 2, size: 11 });
    await first[Symbol.asyncDispose]();
    const second = await openTable(directory);
    assert.deepEqual(second.possibleNodes(linked), [node]);
    second.addName(node, ROOT_NODE, 'two');
    assert.deepEqual(second.possibleNodes(linked), []);
    assert.deepEqual(
      second.names(node)?.map(({ name }) => name),
      ['one', 'two'],
    );
    await second[Symbol.asyncDispose]();
  });
});

describe('NodeHandles', () => {
  it('reads back what it made, and tells handles of others', () => {
    const mine = new NodeHandles(Buffer.from('table--1'));
    const yours = new NodeHandles(Buffer.from('table--2'));
    fc.assert(
      fc.property(fc.integer({ min: ROOT_NODE, max: 2 ** 40 }), (node) => {
        assert.equal(mine.decode(mine.encode(node)), node);
        assert.equal(yours.decode(mine.encode(node)), 'foreign');
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        assert.equal(typeof mine.decode(bytes), 'string');
      }),
    );
  });
});
