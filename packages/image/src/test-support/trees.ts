/** Trees in memory, of every kind of file, for property tests. */
import fc, { type Arbitrary } from 'fast-check';
import { DIGEST_BYTES } from '../digest.ts';
import { FileType, MIN_BLOCK_SIZE, UINT32_MAX } from '../format.ts';
import { ContentBuilder } from '../read-blocks.ts';
import type { Directory, FileContent, InodeFacts, TreeInode } from '../tree.ts';

/** Small, so that small trees have files of many blocks. */
export const TEST_BLOCK_SIZE = MIN_BLOCK_SIZE;

/** Records as the code makes them: ordinary objects. */
const record = <T>(model: { [K in keyof T]: Arbitrary<T[K]> }): Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true });
const uint32 = fc.nat({ max: UINT32_MAX });
const bytes = (minLength: number, maxLength: number): Arbitrary<string> =>
  fc
    .uint8Array({ minLength, maxLength, min: 1 })
    .map((array) => Buffer.from(array).toString('latin1'));

/** Names as bytes: of one letter, so that they meet, of any bytes, or as long as they may be. */
export const name: Arbitrary<string> = fc
  .oneof(fc.constantFrom('a', 'b', 'A', 'ab', '-', '\xff', '...', 'x'.repeat(255)), bytes(1, 20))
  .map((text) => text.replaceAll('/', '_'))
  .filter((text) => text !== '.' && text !== '..' && text !== '.rowfs');

const facts: Arbitrary<InodeFacts> = record({
  mode: fc.nat({ max: 0o7777 }),
  uid: uint32,
  gid: uint32,
  mtime: record({ seconds: fc.maxSafeInteger(), nseconds: fc.nat({ max: 999_999_999 }) }),
  xattrs: fc.uniqueArray(
    record({
      name: bytes(1, 30),
      value: fc.uint8Array({ maxLength: 50 }).map((array) => Buffer.from(array)),
    }),
    { maxLength: 3, selector: (xattr) => xattr.name },
  ),
});

/** Contents as runs of zero and other blocks. */
const regularFile = fc
  .tuple(
    facts,
    fc.array(fc.boolean(), { maxLength: 12 }),
    fc.integer({ min: 1, max: TEST_BLOCK_SIZE }),
    fc.nat({ max: 255 }),
  )
  .map(([common, stored, lastLength, digest]): TreeInode => {
    const size = stored.length === 0 ? 0 : (stored.length - 1) * TEST_BLOCK_SIZE + lastLength;
    return { ...common, type: FileType.REG, size, content: contentOf(stored, digest) };
  });

function contentOf(stored: readonly boolean[], digest: number): FileContent {
  const content = new ContentBuilder();
  stored.forEach((isStored, block) => {
    if (isStored) content.add(block, Buffer.alloc(DIGEST_BYTES, digest + block));
  });
  return content.build();
}

const leaf: Arbitrary<TreeInode> = fc.oneof(
  regularFile,
  fc
    .tuple(facts, fc.oneof(bytes(1, 30), fc.constant('t'.repeat(4095))))
    .map(([common, target]): TreeInode => ({ ...common, type: FileType.LNK, target })),
  fc
    .tuple(facts, fc.constantFrom(FileType.CHR, FileType.BLK), uint32, uint32)
    .map(([common, type, major, minor]): TreeInode => ({ ...common, type, major, minor })),
  fc
    .tuple(facts, fc.constantFrom(FileType.SOCK, FileType.FIFO))
    .map(([common, type]): TreeInode => ({ ...common, type })),
);

/** Where a further name of a file goes: the indices pick a file and a directory of the tree. */
const hardLink = record({ file: fc.nat(), directory: fc.nat(), name });

const directoryOf = (entry: Arbitrary<TreeInode>): Arbitrary<Directory> =>
  fc
    .tuple(
      facts,
      fc.uniqueArray(fc.tuple(name, entry), { maxLength: 6, selector: ([each]) => each }),
    )
    .map(([common, entries]) => ({ ...common, type: FileType.DIR, entries: new Map(entries) }));

const { root } = fc.letrec<{ root: Directory; entry: TreeInode }>((tie) => ({
  root: directoryOf(tie('entry')),
  entry: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, directoryOf(tie('entry'))),
}));

/** Trees with hard links. */
export const tree: Arbitrary<Directory> = fc
  .tuple(root, fc.array(hardLink, { maxLength: 4 }))
  .map(([directory, links]) => {
    const all = [...walk(directory)].map(({ inode }) => inode);
    const files = all.filter((inode) => inode.type !== FileType.DIR);
    const directories = all.filter((inode) => inode.type === FileType.DIR);
    for (const link of links) {
      const file = files[link.file % files.length];
      const entries = directories[link.directory % directories.length]?.entries;
      if (file !== undefined && entries?.has(link.name) === false) entries.set(link.name, file);
    }
    return directory;
  });

/** Everything under the root, by its names, each directory before what is in it. */
export function* walk(
  directory: Directory,
  names: readonly string[] = [],
): Generator<{ names: readonly string[]; inode: TreeInode }> {
  yield { names, inode: directory };
  for (const [each, inode] of directory.entries) {
    const path = [...names, each];
    if (inode.type === FileType.DIR) yield* walk(inode, path);
    else yield { names: path, inode };
  }
}
