import { FileType, type Image, lookupPath } from '@rowfs/image';
import { printableName } from '@rowfs/proxy';
import { CliError } from './errors.ts';

/** A path in an image, for people: bytes that are no UTF-8, and control characters, are escaped. */
export function printablePath(names: readonly string[]): string {
  return `/${names.map(printableName).join('/')}`;
}

/**
 * The file of the image that a person's path leads to.
 *
 * @throws CliError NO_SUCH_FILE
 */
export function fileAt(image: Image, path: string): { fileid: number; names: string[] } {
  const names = Buffer.from(path)
    .toString('latin1')
    .split('/')
    .filter((name) => name !== '' && name !== '.');
  const fileid = lookupPath(image, names);
  if (fileid === undefined) throw new CliError('NO_SUCH_FILE', `the image has no ${path}`);
  return { fileid, names };
}

const typeLetters: Readonly<Record<FileType, string>> = {
  [FileType.REG]: '-',
  [FileType.DIR]: 'd',
  [FileType.BLK]: 'b',
  [FileType.CHR]: 'c',
  [FileType.LNK]: 'l',
  [FileType.SOCK]: 's',
  [FileType.FIFO]: 'p',
};

const typeNames: Readonly<Record<FileType, string>> = {
  [FileType.REG]: 'file',
  [FileType.DIR]: 'directory',
  [FileType.BLK]: 'block device',
  [FileType.CHR]: 'character device',
  [FileType.LNK]: 'symbolic link',
  [FileType.SOCK]: 'socket',
  [FileType.FIFO]: 'fifo',
};

export function typeName(type: FileType): string {
  return typeNames[type];
}

/** Type and permissions as ls(1) shows them: `drwxr-xr-x`, `-rwsr-xr-x`. */
export function modeText(type: FileType, mode: number): string {
  const bits = Array.from('rwxrwxrwx', (letter, i) => ((mode >> (8 - i)) & 1 ? letter : '-'));
  const special = [
    { bit: 0o4000, at: 2, letter: 's' },
    { bit: 0o2000, at: 5, letter: 's' },
    { bit: 0o1000, at: 8, letter: 't' },
  ];
  for (const { bit, at, letter } of special) {
    if ((mode & bit) !== 0) bits[at] = bits[at] === 'x' ? letter : letter.toUpperCase();
  }
  return typeLetters[type] + bits.join('');
}
