import assert from 'node:assert/strict';
import { mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { makeSampleTree } from './sample-tree.ts';
import { testScope } from './test-scope.ts';
import { describeTree } from './tree-description.ts';

test('the same seed makes the same tree, another seed another', async (t) => {
  const { directory } = await testScope(t);
  const [first, again, other] = await Promise.all(
    [1, 1, 2].map(async (seed, index) => {
      const tree = join(directory, String(index));
      await mkdir(tree);
      await makeSampleTree(tree, { seed, randomFiles: 10 });
      return describeTree(tree);
    }),
  );
  assert.deepEqual(first, again);
  assert.notDeepEqual(first, other);
  assert.ok(first!.some((line) => line.includes('not utf-8 \\xff\\xfe\\x80')));
  assert.ok(first!.some((line) => line.includes('3 links, first links/elsewhere/three')));
});

test('a description changes with one byte of content', async (t) => {
  const { directory } = await testScope(t);
  await makeSampleTree(directory, { seed: 1, randomFiles: 0 });
  const before = await describeTree(directory);
  const path = join(directory, 'sizes/3145733 bytes');
  const { atime, mtime } = await stat(path);
  const file = await open(path, 'r+');
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 2_000_000);
  await file.write(Buffer.from([buffer[0]! ^ 1]), 0, 1, 2_000_000);
  await file.utimes(atime, mtime);
  await file.close();
  const after = await describeTree(directory);
  assert.equal(after.filter((line) => !before.includes(line)).length, 1);
});
