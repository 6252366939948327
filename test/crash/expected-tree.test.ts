import assert from 'node:assert/strict';
import { StableHow } from '@rowfs/nfs3';
import { describe, it } from 'node:test';
import { ExpectedTree } from './expected-tree.ts';
import type { Operation, SeenTree } from './operation.ts';

const seen = (content: Buffer, change: Partial<SeenTree[string]> = {}): SeenTree => ({
  file: {
    type: 'file',
    mode: 0o644,
    nlink: 1,
    mtime: 0,
    handle: '01',
    content: content.toString('base64'),
    ...change,
  },
});
const before = Buffer.alloc(10_000, 1);
const write = (stable: StableHow): Operation => ({
  kind: 'write',
  path: 'file',
  offset: 0,
  length: 8192,
  fill: 2,
  stable,
});
const after = Buffer.concat([Buffer.alloc(8192, 2), before.subarray(8192)]);
const half = Buffer.concat([Buffer.alloc(4096, 2), before.subarray(4096)]);
const torn = Buffer.concat([Buffer.alloc(100, 2), before.subarray(100)]);

function isAccepted(tree: ExpectedTree, found: SeenTree): boolean {
  return tree.differences(found).length === 0;
}

describe('what a crash may leave', () => {
  it('is all of a write that was acknowledged as stable', () => {
    const tree = ExpectedTree.of(seen(before));
    tree.acknowledge(write(StableHow.FILE_SYNC));
    assert.ok(isAccepted(tree, seen(after)));
    for (const lost of [before, half, torn]) assert.ok(!isAccepted(tree, seen(lost)));
  });

  it('is any blocks of an unstable write, but none in part; all of them after COMMIT', () => {
    const tree = ExpectedTree.of(seen(before));
    tree.acknowledge(write(StableHow.UNSTABLE));
    for (const allowed of [before, half, after]) assert.ok(isAccepted(tree, seen(allowed)));
    assert.ok(!isAccepted(tree, seen(torn)));
    tree.acknowledge({ kind: 'commit', path: 'file' });
    assert.ok(isAccepted(tree, seen(after)));
    assert.ok(!isAccepted(tree, seen(half)));
  });

  it('is neither another handle, mode or link count, nor a name too few or too many', () => {
    const tree = ExpectedTree.of(seen(before));
    for (const change of [{ handle: '02' }, { mode: 0o600 }, { nlink: 2 }]) {
      assert.ok(!isAccepted(tree, seen(before, change)));
    }
    assert.ok(!isAccepted(tree, {}));
    tree.acknowledge({ kind: 'rename', from: 'file', path: 'moved' });
    assert.ok(!isAccepted(tree, seen(before)));
  });
});
