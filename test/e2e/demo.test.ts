/** What a newcomer sees first must hold. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { runRowfs } from '../support/rowfs.ts';
import { testScope } from '../support/test-scope.ts';

test('the demo plays to its end, every step held', async (t) => {
  const { directory } = await testScope(t);
  const { status, stdout, stderr } = await runRowfs(['demo', '--once'], {
    directory,
    owner: 'newcomer',
    // Half a minute on a machine that has nothing else to do.
    timeoutMs: 300_000,
  });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /kill -9: in the middle of a read/);
  assert.match(stdout, /the same as the source, byte for byte/);
  assert.match(stdout, /read again from the cache: the same, byte for byte/);
  assert.match(stdout, /every step held/);
});
