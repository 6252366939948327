import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { ROOT_NODE } from '../failover/node-handle.ts';
import { PathTable } from '../failover/path-table.ts';
import { TestBench } from '../test-support/image-servers.ts';
import { RecordStore } from './record-store.ts';

let bench: TestBench;
let directory: string;
beforeEach(async () => {
  bench = new TestBench();
  directory = await bench.directory();
});
afterEach(() => bench.close());

describe('RecordStore', () => {
  it('has facts and changes at once, and after it was opened again', async () => {
    const records = new RecordStore(directory, () => undefined);
    records.keep(new Map([['fact', Buffer.from('1')]]));
    records.stage(new Map([['change', Buffer.from('2')]]));
    assert.equal(String(records.get('fact')), '1');
    assert.equal(String(records.get('change')), '2');
    await records.durable();
    records.stage(new Map([['change', undefined]]));
    assert.equal(records.get('change'), undefined);
    records.keep(new Map([['later', Buffer.from('3')]]));
    await records.close();
    const again = new RecordStore(directory, () => undefined);
    assert.equal(String(again.get('fact')), '1');
    assert.equal(again.get('change'), undefined);
    assert.equal(String(again.get('later')), '3');
    await again.close();
  });

  it('ends a range at what follows it, be it shorter than the prefix', async () => {
    const records = new RecordStore(directory, () => undefined);
    const writes = ['a long one 1', 'a long one 2', 'b'].map(
      (key) => [key, Buffer.from('')] as const,
    );
    records.stage(new Map(writes));
    await records.close();
    const again = new RecordStore(directory, () => undefined);
    const keys = [...again.range('a long', 'a long')].map(({ key }) => String(key));
    assert.deepEqual(keys, ['a long one 1', 'a long one 2']);
    await again.close();
  });

  it('fails the change that lmdb refuses and what was built on it, and keeps facts', async () => {
    const losses: unknown[] = [];
    const records = new RecordStore(directory, (error) => losses.push(error));
    const key = 'k'.repeat(4000);
    records.stage(new Map([[key, Buffer.from('too long a key')]]));
    records.keep(new Map([['fact', Buffer.from('1')]]));
    const first = records.durable();
    await new Promise(setImmediate);
    records.stage(new Map([['built on it', Buffer.from('2')]]));
    const second = records.durable();
    await assert.rejects(first, { code: 'EIO' });
    await assert.rejects(second, { code: 'EIO' });
    assert.equal(losses.length, 1);
    assert.equal(records.get(key), undefined);
    assert.equal(records.get('built on it'), undefined);
    assert.equal(String(records.get('fact')), '1');
    records.stage(new Map([['change', Buffer.from('3')]]));
    await records.close();
    const again = new RecordStore(directory, () => undefined);
    assert.equal(String(again.get('fact')), '1');
    assert.equal(String(again.get('change')), '3');
    await again.close();
  });

  it('has every handle that was answered before its process was killed', async () => {
    for (let round = 0; round < 3; round += 1) {
      const script = join(import.meta.dirname, '../test-support/sighting-process.ts');
      const path = join(directory, String(round));
      const child = fork(script, [path], { stdio: 'ignore' });
      const answered: [string, number][] = [];
      child.on('message', (message) => {
        answered.push(message as [string, number]);
        if (answered.length === 20 * (round + 1)) child.kill('SIGKILL');
      });
      await once(child, 'close');
      assert.ok(answered.length >= 20);
      const records = new RecordStore(path, () => undefined);
      const table = await PathTable.open(records, pino({ level: 'silent' }));
      for (const [name, node] of answered) {
        assert.equal(table.child(ROOT_NODE, name), node);
        assert.deepEqual(table.names(node), [{ parent: ROOT_NODE, name }]);
      }
      const next = table.add(ROOT_NODE, 'new', undefined);
      assert.ok(answered.every(([, node]) => node < next));
      await table.close();
      await records.close();
    }
  });
});
