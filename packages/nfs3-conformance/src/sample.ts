import { link, mkdir, open, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes of `dir/nested/file.bin`: more than one READ, and not a multiple of a page. */
export const BINARY_BYTES = 300_001;
/** Length of `holes`, of which only the last bytes were written. */
export const HOLES_BYTES = 10 * 1024 * 1024;
export const HOLES_TAIL = 'after the hole';
export const MANY = 300;

/** Names that are easily lost on the way: one character per byte, as in NFS calls. */
export const ODD_NAMES: readonly string[] = [
  'n'.repeat(255),
  '\xff\xfe not utf-8 \x80',
  'with space',
  'new\nline',
  '-rf',
  '...',
  'gr\xc3\xbc\xc3\x9fe',
];

/** What `dir/nested/file.bin` holds. */
export function binaryContent(): Buffer {
  const content = Buffer.alloc(BINARY_BYTES);
  for (let i = 0; i < content.length; i += 1) content[i] = (i * 31 + (i >> 8)) & 0xff;
  return content;
}

/** The names in `many`. */
export function manyNames(): string[] {
  return Array.from({ length: MANY }, (_, i) => `entry-${String(i).padStart(4, '0')}`);
}

/**
 * Makes the tree that the suite reads in an empty directory of this machine. Every subject serves it:
 * a subject with a lower has it there, so that writes meet objects of both.
 */
export async function populateSample(directory: string): Promise<void> {
  const at = (path: string): string => join(directory, path);
  await writeFile(at('hello.txt'), 'hello, world\n', { mode: 0o644 });
  await writeFile(at('empty'), '');
  await writeFile(at('script'), '#!/bin/sh\n', { mode: 0o755 });
  await writeFile(at('private'), 'for the owner only', { mode: 0o600 });
  await mkdir(at('dir/nested'), { recursive: true });
  await writeFile(at('dir/nested/file.bin'), binaryContent());
  await symlink('hello.txt', at('link'));
  await symlink('nowhere/at/all', at('dangling'));
  await symlink('/etc', at('outside'));
  await writeFile(at('hard-a'), 'two names');
  await link(at('hard-a'), at('hard-b'));
  const holes = await open(at('holes'), 'w');
  await holes.write(HOLES_TAIL, HOLES_BYTES - HOLES_TAIL.length);
  await holes.close();
  await mkdir(at('many'));
  await Promise.all(manyNames().map((name) => writeFile(at(`many/${name}`), name)));
  await mkdir(at('names'));
  for (const name of ODD_NAMES) {
    await writeFile(Buffer.from(`${directory}/names/${name}`, 'latin1'), name);
  }
}
