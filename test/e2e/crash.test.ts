/** A short `pnpm crash`: what was acknowledged is there after kill -9 and after a power cut. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { requires } from '../support/requirements.ts';

const main = fileURLToPath(new URL('../crash/main.ts', import.meta.url));

test('the shadow survives kill -9 and power cuts', { skip: requires('strace') }, async () => {
  const args = [main, '--short', '--seed', '1'];
  const { exitCode, stdout } = await execa(process.execPath, args, { reject: false });
  assert.equal(exitCode, 0, stdout);
  const result = JSON.parse(stdout.split('\n').at(-1) ?? '') as Record<string, number>;
  assert.equal(result['lost'], 0);
  for (const count of ['kills', 'powerCuts', 'disks', 'acknowledged']) {
    assert.ok(Number(result[count]) > 0, `${count} is ${String(result[count])}`);
  }
});
