import { execFileSync } from 'node:child_process';
import {
  chmod,
  chown,
  link,
  lutimes,
  mkdir,
  open,
  rename,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';

/** What a tree is made of; `near` chooses among what is there already. */
export interface Piece {
  readonly kind: 'file' | 'directory' | 'symlink' | 'fifo' | 'another name' | 'file with a hole';
  readonly near: number;
  readonly name: string;
  readonly mode: number;
  readonly owner: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** Names as latin1: any bytes but the two that no name has. */
const name = fc
  .uint8Array({ minLength: 1, maxLength: 12 })
  .map((bytes) => Buffer.from(bytes).toString('latin1').replaceAll(/[/\0]/g, '_'))
  .filter((text) => text !== '.' && text !== '..' && text !== '.rowfs');

const piece: fc.Arbitrary<Piece> = fc.record({
  kind: fc.constantFrom(
    'file',
    'directory',
    'symlink',
    'fifo',
    'another name',
    'file with a hole',
    'directory',
    'file',
  ),
  near: fc.nat(),
  name: fc.oneof(name, fc.constantFrom('a', 'b', 'ab', 'a\xff', 'A')),
  mode: fc.nat({ max: 0o7777 }),
  owner: fc.constantFrom(0, 1000, 1001),
  bytes: fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 200_000 })),
  seconds: fc.integer({ min: -10, max: 2 ** 31 }),
});

export const pieces: fc.Arbitrary<Piece[]> = fc.array(piece, { maxLength: 30 });

/** Makes the tree in an empty directory; pieces whose name is taken are left out. */
export async function makeTree(root: string, made: readonly Piece[]): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  const directories = [''];
  const files: string[] = [];
  const all = new Map<string, Piece>();
  const at = (path: string): Buffer => Buffer.from(join(root, path), 'latin1');
  for (const each of made) {
    const parent = directories[each.near % directories.length] ?? '';
    const path = `${parent}/${each.name}`;
    if (all.has(path)) continue;
    const target = files[each.near % files.length];
    if (each.kind === 'another name' && target === undefined) continue;
    switch (each.kind) {
      case 'directory':
        await mkdir(at(path));
        directories.push(path);
        break;
      case 'symlink':
        await symlink(Buffer.from(each.name, 'latin1'), at(path));
        break;
      case 'fifo':
        // A program takes no names that are not UTF-8.
        execFileSync('mkfifo', [join(root, '.fifo')]);
        await rename(join(root, '.fifo'), at(path));
        break;
      case 'another name':
        await link(at(target ?? ''), at(path));
        break;
      case 'file with a hole': {
        const file = await open(at(path), 'w');
        await file.write(Buffer.from('end'), 0, 3, each.bytes * 3);
        await file.close();
        break;
      }
      case 'file':
        await writeFile(at(path), Buffer.alloc(each.bytes, `${each.name}${each.mode}`));
    }
    if (each.kind.startsWith('file')) files.push(path);
    all.set(path, each);
  }
  // The last made first: a directory's times are set after all that changes them.
  for (const [path, { kind, mode, owner, seconds }] of [...all].reverse()) {
    if (isRoot && kind !== 'symlink') await chown(at(path), owner, owner);
    // Who is not root must be able to read what it made.
    if (kind !== 'symlink') await chmod(at(path), isRoot ? mode : mode | 0o700);
    await lutimes(at(path), seconds, seconds);
  }
}
