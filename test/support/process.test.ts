import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { ProcessError, startProcess, type RunningProcess } from './process.ts';
import { testScope, type TestScope } from './test-scope.ts';

async function startShell(scope: TestScope, script: string): Promise<RunningProcess> {
  const logFile = join(scope.directory, 'shell.log');
  return scope.own(await startProcess('sh', ['-c', script], { name: 'a shell', logFile }));
}

test('a line is found whether it was written before or after the question', async (t) => {
  const scope = await testScope(t);
  const shell = await startShell(scope, 'echo oops >&2; echo port 1234; exec sleep 60');
  assert.equal((await shell.waitForLine(/port (\d+)/))[1], '1234');
  assert.equal((await shell.waitForLine(/port (\d+)/))[1], '1234');
  assert.deepEqual(await shell.kill('SIGTERM'), { status: null, signal: 'SIGTERM' });
  const log = await readFile(join(scope.directory, 'shell.log'), 'utf8');
  assert.deepEqual(log.trim().split('\n').sort(), ['oops', 'port 1234']);
});

test('waiting for a line of a process that ends fails at once and shows its output', async (t) => {
  const shell = await startShell(await testScope(t), 'echo no such export; exit 3');
  await assert.rejects(
    shell.waitForLine(/listening/),
    (error) =>
      error instanceof ProcessError &&
      error.code === 'PROCESS_ENDED' &&
      error.message.includes('no such export'),
  );
  assert.deepEqual(await shell.ended, { status: 3, signal: null });
});

test('a stopped process is ended by close', async (t) => {
  const shell = await startShell(await testScope(t), 'echo up; exec sleep 60');
  await shell.waitForLine(/up/);
  shell.signal('SIGSTOP');
  await shell.close();
  assert.throws(() => process.kill(shell.pid, 0), { code: 'ESRCH' });
});
