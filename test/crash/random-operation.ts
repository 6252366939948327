import { StableHow } from '@rowfs/nfs3';
import type { Random } from '../support/random.ts';
import type { ExpectedTree } from './expected-tree.ts';
import type { Operation } from './operation.ts';

const CREATE_MODES = ['guarded', 'unchecked', 'exclusive'] as const;
const MAX_OBJECTS = 24;
const MAX_FILE_BYTES = 48 * 1024;
/** Contents are where most of the ordering rules are, so most operations change some. */
const KINDS: readonly Operation['kind'][] = [
  ...['write', 'write', 'write', 'write', 'write', 'commit', 'truncate', 'chmod'],
  ...['create', 'create', 'mkdir', 'symlink', 'fifo', 'link', 'rename', 'rename'],
  ...['remove', 'remove', 'rmdir', 'utimes', 'empty'],
] as Operation['kind'][];

/** Draws an operation that must succeed on `tree`: the same one from the same seed and tree. */
export function randomOperation(tree: ExpectedTree, random: Random): Operation {
  for (;;) {
    const operation = draw(random.pick(KINDS), tree, random);
    if (operation !== undefined) return operation;
  }
}

function draw(kind: Operation['kind'], tree: ExpectedTree, random: Random): Operation | undefined {
  switch (kind) {
    case 'create': {
      const path = freePath(tree, random);
      return path === undefined ? undefined : { kind, path, how: random.pick(CREATE_MODES) };
    }
    case 'mkdir':
    case 'fifo': {
      const path = freePath(tree, random);
      return path === undefined ? undefined : { kind, path };
    }
    case 'symlink': {
      const path = freePath(tree, random);
      return path === undefined ? undefined : { kind, path, target: `to/${random.below(1000)}` };
    }
    case 'link': {
      const from = pickPath(tree.paths('file'), random);
      const path = freePath(tree, random);
      return from === undefined || path === undefined ? undefined : { kind, from, path };
    }
    case 'rename':
      return drawRename(tree, random);
    case 'remove': {
      const removable = tree.paths().filter((path) => tree.typeOf(path) !== 'directory');
      const path = pickPath(removable, random);
      return path === undefined ? undefined : { kind, path };
    }
    case 'rmdir': {
      const path = pickPath(
        tree.paths('directory').filter((each) => tree.isEmpty(each)),
        random,
      );
      return path === undefined ? undefined : { kind, path };
    }
    case 'chmod': {
      const path = pickPath(
        tree.paths().filter((each) => tree.typeOf(each) !== 'symlink'),
        random,
      );
      return path === undefined ? undefined : { kind, path, mode: 0o700 | random.below(0o100) };
    }
    case 'utimes':
    case 'empty':
    case 'commit':
    case 'truncate':
    case 'write': {
      const path = pickPath(tree.paths('file'), random);
      return path === undefined ? undefined : drawContentChange(kind, path, tree, random);
    }
  }
}

function drawContentChange(
  kind: 'utimes' | 'empty' | 'commit' | 'truncate' | 'write',
  path: string,
  tree: ExpectedTree,
  random: Random,
): Operation {
  if (kind === 'commit' || kind === 'empty') return { kind, path };
  if (kind === 'utimes') return { kind, path, mtime: random.below(2 ** 31) };
  if (kind === 'truncate') return { kind, path, size: random.below(MAX_FILE_BYTES) };
  // At the end, beyond it, over it or within: whole blocks and parts of them.
  const furthest = Math.min(tree.sizeOf(path) + 8192, MAX_FILE_BYTES);
  const unit = random.pick([1, 4096]);
  const offset = unit * random.below(Math.floor(furthest / unit) + 1);
  const length = random.pick([1, 100, 4096, 5000, 12_288]);
  const stable = random.pick([StableHow.UNSTABLE, StableHow.UNSTABLE, StableHow.FILE_SYNC]);
  return { kind, path, offset, length, fill: 1 + random.below(255), stable };
}

function drawRename(tree: ExpectedTree, random: Random): Operation | undefined {
  const from = pickPath(tree.paths(), random);
  if (from === undefined) return undefined;
  const files = tree.paths('file');
  const over = tree.typeOf(from) === 'file' && random.below(2) === 0;
  const path = over ? pickPath(files, random) : freePath(tree, random);
  if (path === undefined || path.startsWith(`${from}/`)) return undefined;
  // Onto another name of the same file a rename does nothing; that is no matter of crashes.
  if (over && tree.isSame(from, path)) return undefined;
  return { kind: 'rename', from, path };
}

/** A path where nothing is, in a directory that is there; none when the tree is large enough. */
function freePath(tree: ExpectedTree, random: Random): string | undefined {
  if (tree.paths().length >= MAX_OBJECTS) return undefined;
  const directory = random.pick(['', ...tree.paths('directory')]);
  const name = `n${random.below(100)}`;
  const path = directory === '' ? name : `${directory}/${name}`;
  return tree.has(path) ? undefined : path;
}

function pickPath(paths: readonly string[], random: Random): string | undefined {
  return paths.length === 0 ? undefined : random.pick(paths);
}
