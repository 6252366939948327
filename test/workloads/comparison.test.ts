import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failsOnlyOn, renderTable, type WorkloadResult } from './comparison.ts';
import type { FileSystemName } from './mounted-tree.ts';

/** Checks as one string: `a b !c` passes a and b, and fails c. */
function result(workload: string, fileSystem: FileSystemName, checks: string): WorkloadResult {
  const parsed = checks.split(' ').map((text) => {
    const passed = !text.startsWith('!');
    return { name: passed ? text : text.slice(1), passed, detail: passed ? '' : 'broken' };
  });
  return { workload, fileSystem, checks: parsed, seconds: 1.25 };
}

const results = [
  result('first', 'ganesha', 'a b c !d !e'),
  result('first', 'proxy', 'a !b !d e'),
  result('second', 'ganesha', 'b'),
  result('second', 'proxy', 'b'),
  result('third', 'ganesha', 'x'),
];

test('only what one passes and the other fails, or never came to, is a difference', () => {
  assert.deepEqual(failsOnlyOn(results, 'proxy', 'ganesha'), [
    { workload: 'first', check: 'b', detail: 'broken' },
    { workload: 'first', check: 'c', detail: 'it did not come to this' },
  ]);
  assert.deepEqual(failsOnlyOn(results, 'ganesha', 'proxy'), [
    { workload: 'first', check: 'e', detail: 'broken' },
  ]);
});

test('the table has a row for each workload and a column for each file system', () => {
  assert.deepEqual(renderTable(results).split('\n'), [
    'workload  ganesha                    proxy',
    'first     3 passed, 2 failed, 1.3 s  2 passed, 2 failed, 1.3 s',
    'second    1 passed, 0 failed, 1.3 s  1 passed, 0 failed, 1.3 s',
    'third     1 passed, 0 failed, 1.3 s  -',
  ]);
});
