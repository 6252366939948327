import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { lockFile, lockHolder } from './lock-file.ts';
import { withLockFile } from './with-lock-file.ts';

describe('a lock file', () => {
  let root: string;
  before(async () => (root = await mkdtemp(join(tmpdir(), 'rowfs-lock-file-'))));
  after(() => rm(root, { recursive: true }));

  it('is had by one, and names who', () => {
    const path = join(root, 'held');
    const unlock = lockFile(path);
    assert.equal(lockHolder(path), process.pid);
    assert.throws(() => lockFile(path), { code: 'LOCK_HELD', pid: process.pid, path });
    unlock();
    assert.equal(lockHolder(path), undefined);
    lockFile(path)();
  });

  it('takes over the lock of a process that is gone, and of one whose number was given again', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    const { pid } = child;
    await once(child, 'exit');
    const path = join(root, 'abandoned.lock');
    for (const holder of [
      { pid, started: '1' },
      { pid: process.pid, started: 'another time' },
    ]) {
      await writeFile(path, JSON.stringify(holder));
      const unlock = lockFile(path);
      const taken: unknown = JSON.parse(await readFile(path, 'utf8'));
      assert.ok(taken instanceof Object && 'pid' in taken);
      assert.equal(taken.pid, process.pid);
      unlock();
    }
  });

  it('takes over the lock of another start of the machine, and what a killed process left with it', async () => {
    const path = join(root, 'rebooted.lock');
    lockFile(path);
    const holder = JSON.parse(await readFile(path, 'utf8')) as { started: string };
    const started = holder.started.replace(/ since .*/, ' since another start');
    await writeFile(path, JSON.stringify({ pid: process.pid, started }));
    await writeFile(`${path}.4194999`, 'half');
    await writeFile(`${path}.4194999.abandoned`, '');
    lockFile(path)();
    assert.deepEqual(
      (await readdir(root)).filter((name) => name.startsWith('rebooted')),
      [],
    );
  });

  it('is waited for, by one after the other', async () => {
    const path = join(root, 'waited');
    const unlock = lockFile(path);
    const order: string[] = [];
    const seen = (): string[] => [...order];
    const waiting = ['a', 'b'].map((name) =>
      withLockFile(path, { patienceMs: 60_000 }, async () => {
        order.push(`${name} begins`);
        await pause(20);
        order.push(`${name} ends`);
      }),
    );
    await pause(20);
    assert.deepEqual(seen(), []);
    unlock();
    await Promise.all(waiting);
    const turn = (name: string): string[] => [`${name} begins`, `${name} ends`];
    const [first, second] = seen()[0]?.startsWith('a') === true ? ['a', 'b'] : ['b', 'a'];
    assert.deepEqual(seen(), [...turn(first), ...turn(second)]);
  });

  it('is given back by who fails, and not waited for for ever', async () => {
    const path = join(root, 'failed');
    const patience = { patienceMs: 30 };
    const failure = new Error('it failed');
    await assert.rejects(
      withLockFile(path, patience, () => Promise.reject(failure)),
      failure,
    );
    const unlock = lockFile(path);
    await assert.rejects(
      withLockFile(path, patience, () => Promise.resolve()),
      {
        code: 'LOCK_HELD',
      },
    );
    unlock();
  });
});
