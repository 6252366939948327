import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { noteDaemon, runningDaemons } from './running-daemons.ts';

const REST = 'http://127.0.0.1:4711';

async function stateOf(t: TestContext): Promise<string> {
  const state = await mkdtemp(join(tmpdir(), 'rowfs-state-'));
  t.after(() => rm(state, { recursive: true }));
  return state;
}

const notesIn = (state: string): Promise<string[]> => readdir(join(state, 'run'));

describe('the commands that run on a state directory', () => {
  it('are told for as long as they run', async (t) => {
    const state = await stateOf(t);
    assert.deepEqual(await runningDaemons(state), []);
    const forget = await noteDaemon(state, 'proxy', REST);
    const { pid } = process;
    assert.deepEqual(await runningDaemons(state), [{ command: 'proxy', pid, rest: REST }]);
    await forget();
    assert.deepEqual(await runningDaemons(state), []);
  });

  it('do not include one that was killed, whose note is removed', async (t) => {
    const state = await stateOf(t);
    const program = `
      import { noteDaemon } from ${JSON.stringify(join(import.meta.dirname, 'running-daemons.ts'))};
      await noteDaemon(${JSON.stringify(state)}, 'proxy', ${JSON.stringify(REST)});
      process.send('noted');
      setInterval(() => undefined, 1000);
    `;
    const script = join(state, 'daemon.mjs');
    await writeFile(script, program);
    const child = fork(script);
    t.after(() => child.kill('SIGKILL'));
    await once(child, 'message');
    assert.deepEqual(
      (await runningDaemons(state)).map(({ pid }) => pid),
      [child.pid],
    );
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    assert.deepEqual(await runningDaemons(state), []);
    assert.deepEqual(await notesIn(state), []);
  });

  it('do not include one whose number another process has by now', async (t) => {
    const state = await stateOf(t);
    await noteDaemon(state, 'proxy', REST);
    const [name = ''] = await notesIn(state);
    const file = join(state, 'run', name);
    const note = JSON.parse(await readFile(file, 'utf8')) as object;
    await writeFile(file, JSON.stringify({ ...note, begun: '1' }));
    assert.deepEqual(await runningDaemons(state), []);
    assert.deepEqual(await notesIn(state), []);
  });
});
