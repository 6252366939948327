import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';

it('the linter catches a floating promise through an imported interface', async () => {
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  const eslint = new ESLint({ cwd, ignore: false });
  const [result] = await eslint.lintFiles(['test/architecture/lint-probe.ts']);
  assert.deepEqual(
    result?.messages.map(({ ruleId }) => ruleId),
    ['@typescript-eslint/no-floating-promises'],
  );
});
