/** A short `pnpm crash`: what was acknowledged is there after kill -9. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const main = fileURLToPath(new URL('../crash/main.ts', import.meta.url));

test('the shadow survives kill -9 in the middle of everything', async () => {
  const args = [main, '--seed', '1', '--runs', '1'];
  const { exitCode, stdout } = await execa(process.execPath, args, { reject: false });
  assert.equal(exitCode, 0, stdout);
  const result = JSON.parse(stdout.split('\n').at(-1) ?? '') as Record<string, number>;
  assert.equal(result['lost'], 0);
  assert.ok(Number(result['acknowledged']) > 0);
});
