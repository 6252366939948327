import { ImageError } from './error.ts';
import { FileType } from './format.ts';
import type { Image } from './image.ts';

/** What of a file differs. */
export type ChangedPart =
  | 'type'
  | 'mode'
  | 'owner'
  | 'mtime'
  | 'size'
  | 'content'
  | 'target'
  | 'device'
  | 'links'
  | 'xattrs';

export interface ImageChange {
  readonly kind: 'added' | 'removed' | 'changed';
  /** From the root on, as latin1; empty for the root itself. */
  readonly names: readonly string[];
  /** What differs, of a file that is in both. */
  readonly parts: readonly ChangedPart[];
  /** Bytes of the blocks that are now other than they were at their place, zero ones left out. */
  readonly bytes: number;
}

export interface ImageDiff {
  /** In the order of their names, a directory before what is in it. */
  readonly changes: readonly ImageChange[];
  /** The different blocks of the second image that are nowhere in the first: what is to be fetched. */
  readonly newBlocks: { readonly count: number; readonly bytes: number };
}

/**
 * What changed from one image to another.
 *
 * @throws ImageError UNSUPPORTED when their block sizes differ, so that contents cannot be compared.
 */
export function diffImages(before: Image, after: Image): ImageDiff {
  if (before.blockSize !== after.blockSize) {
    throw new ImageError(
      'UNSUPPORTED',
      `images with blocks of ${before.blockSize} and ${after.blockSize} bytes cannot be compared: build one of them again`,
    );
  }
  const changes: ImageChange[] = [];
  const pairs: Pair[] = [{ before: before.root, after: after.root, names: [] }];
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    const change = changeOf(before, after, pair);
    if (change !== undefined) changes.push(change);
    // The last is taken first.
    pairs.push(...childrenOf(before, after, pair).reverse());
  }
  return { changes, newBlocks: newBlocks(before, after) };
}

/** A place in the tree: the inode that has it in each image, if one does. */
interface Pair {
  readonly before: number | undefined;
  readonly after: number | undefined;
  readonly names: readonly string[];
}

function childrenOf(before: Image, after: Image, pair: Pair): Pair[] {
  const a = entriesOf(before, pair.before);
  const b = entriesOf(after, pair.after);
  return [...new Set([...a.keys(), ...b.keys()])]
    .sort()
    .map((name) => ({ before: a.get(name), after: b.get(name), names: [...pair.names, name] }));
}

function entriesOf(image: Image, fileid: number | undefined): Map<string, number> {
  if (fileid === undefined || image.attributes(fileid).type !== FileType.DIR) return new Map();
  return new Map(image.readdir(fileid).map((entry) => [entry.name, entry.fileid]));
}

function changeOf(before: Image, after: Image, pair: Pair): ImageChange | undefined {
  const { names } = pair;
  if (pair.after === undefined) return { kind: 'removed', names, parts: [], bytes: 0 };
  const bytes = changedBytes(before, after, pair);
  if (pair.before === undefined) return { kind: 'added', names, parts: [], bytes };
  const parts = changedParts(before, pair.before, after, pair.after);
  return parts.length === 0 ? undefined : { kind: 'changed', names, parts, bytes };
}

function changedParts(before: Image, a: number, after: Image, b: number): ChangedPart[] {
  const was = before.attributes(a);
  const is = after.attributes(b);
  const parts: ChangedPart[] = [];
  const note = (part: ChangedPart, differs: boolean): void => {
    if (differs) parts.push(part);
  };
  note('type', was.type !== is.type);
  note('mode', was.mode !== is.mode);
  note('owner', was.uid !== is.uid || was.gid !== is.gid);
  note('mtime', was.mtime.seconds !== is.mtime.seconds || was.mtime.nseconds !== is.mtime.nseconds);
  note('xattrs', !sameXattrs(before.xattrs(a), after.xattrs(b)));
  if (was.type !== is.type) return parts;
  if (is.type === FileType.REG) {
    note('size', was.size !== is.size);
    note('content', was.size !== is.size || !sameContent(before, a, after, b));
  }
  if (is.type === FileType.LNK) note('target', before.readlink(a) !== after.readlink(b));
  note(
    'device',
    was.rdev.specdata1 !== is.rdev.specdata1 || was.rdev.specdata2 !== is.rdev.specdata2,
  );
  // What a directory's link count says, its entries say too.
  if (is.type !== FileType.DIR) {
    const first = (image: Image, fileid: number): string => image.path(fileid).join('/');
    note('links', was.nlink !== is.nlink || first(before, a) !== first(after, b));
  }
  return parts;
}

function sameXattrs(a: ReturnType<Image['xattrs']>, b: ReturnType<Image['xattrs']>): boolean {
  return (
    a.length === b.length &&
    a.every(({ name, value }, i) => b[i]?.name === name && Buffer.compare(value, b[i].value) === 0)
  );
}

function sameContent(before: Image, a: number, after: Image, b: number): boolean {
  const runs = before.runs(a);
  const others = after.runs(b);
  return (
    runs.length === others.length &&
    runs.every(({ first, count, number }, i) => {
      const other = others[i];
      return (
        first === other?.first &&
        count === other.count &&
        before.digests(number, count).equals(after.digests(other.number, count))
      );
    })
  );
}

function changedBytes(before: Image, after: Image, pair: Pair): number {
  if (pair.after === undefined || after.attributes(pair.after).type !== FileType.REG) return 0;
  const isFile = pair.before !== undefined && before.attributes(pair.before).type === FileType.REG;
  let bytes = 0;
  for (const { number, count } of after.runs(pair.after)) {
    for (let each = number; each < number + count; each += 1) {
      const { offset, length, stored } = after.storedBlock(each);
      const [old] = isFile ? before.blocks(pair.before, offset / before.blockSize, 1) : [];
      if (stored === undefined || old?.stored?.digest.equals(stored.digest) !== true)
        bytes += length;
    }
  }
  return bytes;
}

function newBlocks(before: Image, after: Image): { count: number; bytes: number } {
  const known = new Set<string>();
  for (let number = 0; number < before.blockCount; number += 1) {
    known.add(before.digests(number, 1).toString('latin1'));
  }
  const added = { count: 0, bytes: 0 };
  for (let number = 0; number < after.blockCount; number += 1) {
    const digest = after.digests(number, 1).toString('latin1');
    if (known.has(digest)) continue;
    known.add(digest);
    added.count += 1;
    added.bytes += after.storedBlock(number).length;
  }
  return added;
}
