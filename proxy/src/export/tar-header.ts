import type { Nfstime3 } from '@rowfs/nfs3';

/** typeflag (POSIX.1-2017, pax, "ustar Interchange Format"). */
export const TarType = {
  FILE: '0',
  HARD_LINK: '1',
  SYMLINK: '2',
  CHARACTER: '3',
  BLOCK: '4',
  DIRECTORY: '5',
  FIFO: '6',
} as const;
export type TarType = (typeof TarType)[keyof typeof TarType];

export interface TarEntry {
  /** One character per byte, as all strings here. */
  readonly path: string;
  readonly type: TarType;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of the data that follows; 0 for all but files. */
  readonly size: number;
  readonly mtime: Nfstime3;
  /** HARD_LINK: the path of the file; SYMLINK: its text. */
  readonly linkPath?: string;
  readonly device?: { readonly major: number; readonly minor: number };
}

export const TAR_BLOCK_BYTES = 512;
/** Ends an archive: two blocks of zeros. */
export const TAR_END = Buffer.alloc(2 * TAR_BLOCK_BYTES);

const NAME_BYTES = 100;
const PAX_HEADER = 'x';

/**
 * The header of an entry, in ustar where that is enough and with a pax extended header before it where
 * it is not: long names, big ids and sizes, nanoseconds. Written here because names are bytes, and the
 * libraries that write tar take text and make UTF-8 of it.
 */
export function tarHeader(entry: TarEntry): Buffer {
  const records = paxRecords(entry);
  const header = ustarHeader(entry, entry.type);
  if (records.length === 0) return header;
  const size = records.length;
  const extended = { ...entry, path: 'PaxHeaders/entry', linkPath: '', mode: 0o644, size };
  return Buffer.concat([ustarHeader(extended, PAX_HEADER), records, tarPadding(size), header]);
}

/** What fills up the last block after `size` bytes. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((TAR_BLOCK_BYTES - (size % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES);
}

function paxRecords({ path, linkPath = '', uid, gid, size, mtime }: TarEntry): Buffer {
  const records: [string, string][] = [];
  if (path.length > NAME_BYTES) records.push(['path', path]);
  if (linkPath.length > NAME_BYTES) records.push(['linkpath', linkPath]);
  if (!fits(uid, 8)) records.push(['uid', String(uid)]);
  if (!fits(gid, 8)) records.push(['gid', String(gid)]);
  if (!fits(size, 12)) records.push(['size', String(size)]);
  if (mtime.nseconds > 0)
    records.push(['mtime', `${mtime.seconds}.${String(mtime.nseconds).padStart(9, '0')}`]);
  return Buffer.concat(records.map(([keyword, value]) => paxRecord(keyword, value)));
}

/** `LENGTH keyword=value\n`, where LENGTH counts itself. */
function paxRecord(keyword: string, value: string): Buffer {
  const rest = ` ${keyword}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) {
    length = String(length).length + rest.length;
  }
  return Buffer.from(`${length}${rest}`, 'latin1');
}

/** Values that do not fit are cut: a pax record has them whole. */
function ustarHeader(entry: TarEntry, type: TarType | typeof PAX_HEADER): Buffer {
  const header = Buffer.alloc(TAR_BLOCK_BYTES);
  const text = (value: string, at: number, length: number): void => {
    header.write(value.slice(0, length), at, 'latin1');
  };
  const octal = (value: number, at: number, bytes: number): void => {
    const digits = fits(value, bytes) ? value.toString(8) : '';
    header.write(`${digits.padStart(bytes - 1, '0')}\0`, at, 'latin1');
  };
  text(entry.path, 0, NAME_BYTES);
  octal(entry.mode, 100, 8);
  octal(entry.uid, 108, 8);
  octal(entry.gid, 116, 8);
  octal(entry.size, 124, 12);
  octal(entry.mtime.seconds, 136, 12);
  text(' '.repeat(8), 148, 8);
  text(type, 156, 1);
  text(entry.linkPath ?? '', 157, NAME_BYTES);
  text('ustar\0' + '00', 257, 8);
  octal(entry.device?.major ?? 0, 329, 8);
  octal(entry.device?.minor ?? 0, 337, 8);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/** Whether a field of so many bytes has room for it in octal, and a NUL. */
function fits(value: number, bytes: number): boolean {
  return value < 8 ** (bytes - 1);
}
