/** `pnpm fuzz` on each parser for a second: that it works, and that nothing easy is left to find. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const main = fileURLToPath(new URL('../fuzz/main.ts', import.meta.url));

const { stdout: list } = await execa(process.execPath, [main]);
const parsers = list.split('\n').map((line) => line.split(' ')[0] ?? '');

describe('fuzz', () => {
  for (const parser of parsers) {
    it(`finds nothing in ${parser}`, async () => {
      const args = [main, parser, '--seconds', '1', '--seed', '1'];
      const { exitCode, stdout } = await execa(process.execPath, args, { reject: false });
      assert.equal(exitCode, 0, stdout);
      const result = JSON.parse(stdout.split('\n').at(-1) ?? '') as Record<string, number>;
      assert.equal(result['findings'], 0);
      assert.ok(Number(result['executions']) > 0);
      assert.ok(Number(result['corpus']) > 0, 'coverage tells nothing');
    });
  }

  it('knows no other parser', async () => {
    const { exitCode, stderr } = await execa(process.execPath, [main, 'nosuch'], { reject: false });
    assert.equal(exitCode, 2);
    assert.match(stderr, /no parser is named 'nosuch'/);
  });
});
