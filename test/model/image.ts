import {
  chmodSync,
  chownSync,
  lchownSync,
  linkSync,
  mkdirSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ALICE, BOB, TEAM } from './callers.ts';

/**
 * Makes the tree that both sides begin with: files that end inside of a block and on its edge, holes,
 * hard links, and directories of several owners, sticky, setgid, closed.
 */
export function populate(root: string): void {
  const at = (path: string): string => join(root, path);
  const own = (path: string, uid: number, gid: number, mode: number): void => {
    chownSync(at(path), uid, gid);
    chmodSync(at(path), mode);
  };
  chmodSync(root, 0o777);
  mkdirSync(at('dir/sub'), { recursive: true });
  writeFileSync(at('a'), bytes(10_000, 7));
  writeFileSync(at('b'), bytes(5, 3));
  writeFileSync(at('dir/c'), bytes(8192, 11));
  writeFileSync(at('dir/sub/d'), '');
  linkSync(at('a'), at('dir/h'));
  symlinkSync('dir/c', at('s'));
  lchownSync(at('s'), ALICE.uid, ALICE.gid);
  writeFileSync(at('sparse'), bytes(100, 5));
  truncateSync(at('sparse'), 70_000);
  own('a', ALICE.uid, TEAM, 0o664);
  own('b', BOB.uid, BOB.gid, 0o4755);
  own('dir/c', 0, TEAM, 0o640);
  own('sparse', ALICE.uid, ALICE.gid, 0o600);
  own('dir/sub/d', 0, 0, 0o644);
  own('dir', ALICE.uid, TEAM, 0o775);
  own('dir/sub', BOB.uid, BOB.gid, 0o755);
  for (const [name, uid, gid, mode] of [
    ['sticky', 0, 0, 0o1777],
    ['team', ALICE.uid, TEAM, 0o2775],
    ['closed', BOB.uid, BOB.gid, 0o700],
  ] as const) {
    mkdirSync(at(name));
    writeFileSync(at(`${name}/e`), name);
    own(`${name}/e`, BOB.uid, TEAM, 0o2755);
    own(name, uid, gid, mode);
  }
}

function bytes(length: number, step: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => 1 + ((i * step) % 255)));
}
