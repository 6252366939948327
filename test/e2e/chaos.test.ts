/** What users can run themselves to see what rowfs promises hold: here with a seed that has every fault. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { runRowfs } from '../support/rowfs.ts';
import { testScope } from '../support/test-scope.ts';

interface Report {
  readonly held: boolean;
  readonly reads: number;
  readonly published: number;
  readonly verdicts: readonly { promise: string; held: boolean; broken: readonly string[] }[];
}

test('chaos: nodes, servers and proxies die and hang, and every promise holds', async (t) => {
  const { directory } = await testScope(t);
  const history = join(directory, 'history');
  const args = ['chaos', '--seed', '1', '--duration', '30s', '--history', history, '--json'];
  const { status, stdout, stderr } = await runRowfs(args, {
    directory,
    owner: 'tester',
    timeoutMs: 300_000,
  });
  const faults = (await readFile(history, 'utf8')).trim().split('\n');
  const { held, reads, published, verdicts } = JSON.parse(stdout) as Report;
  const broken = verdicts.filter((verdict) => !verdict.held);
  assert.deepEqual(broken, [], faults.join('\n'));
  assert.ok(held);
  assert.ok(reads > 0);
  assert.ok(published > 1);
  assert.equal(status, 0, stderr);
  const told = faults.join('\n');
  for (const what of ['kill -9: node', 'kill -9: server', 'kill -9: proxy', 'hang', 'partition']) {
    assert.ok(told.includes(what), `no ${what} in the run`);
  }
});
