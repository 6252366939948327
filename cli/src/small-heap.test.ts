import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const program = `
  const { restartWithSmallHeap } = await import(process.env.SMALL_HEAP);
  restartWithSmallHeap();
  console.log(JSON.stringify([process.pid, process.execArgv.join(' '), process.argv.slice(1)]));
`;

const skip = process.execve === undefined && 'this Node cannot replace a process';

test(
  'the same process goes on with a small heap, its own flags and arguments',
  { skip },
  async () => {
    const SMALL_HEAP = fileURLToPath(new URL('small-heap.ts', import.meta.url));
    const args = ['--stack-size=900', '--input-type=module', '--eval', program, 'proxy', '--json'];
    const child = spawn(process.execPath, args, {
      env: { ...process.env, SMALL_HEAP },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
    const [pid, flags, given] = JSON.parse(output) as [number, string, string[]];
    assert.equal(pid, child.pid);
    assert.match(flags, /--stack-size=900[^]*--max-semi-space-size=/);
    assert.deepEqual(given, ['proxy', '--json']);
  },
);
