import type { Header } from 'tar-stream';
import { ImageError } from './error.ts';
import { FileType, NANOSECONDS_PER_SECOND, UINT32_MAX } from './format.ts';
import { isRecordedXattr } from './scan-directory.ts';
import type { Directory, FileContent, InodeFacts, Timestamp, TreeInode, Xattr } from './tree.ts';

/**
 * An archive's entry as the reader of the archive gives it: pax records are texts, and null stands
 * where the archive has nothing.
 */
export type TarEntry = Omit<Header, 'pax' | 'linkname' | 'type'> & {
  readonly type: Header['type'] | null;
  readonly linkname: string | null;
  readonly pax: Readonly<Record<string, string>> | null;
};

const PERMISSION_BITS = 0o7777;
const LINK_MODE = 0o777;

export function newDirectory(facts: InodeFacts): Directory {
  return { ...facts, type: FileType.DIR, entries: new Map() };
}

/** The names that lead to the entry, from the root on. */
export function namesOf(header: TarEntry): string[] {
  return split(header.name, header, 'path');
}

/** The names of what the entry is one more name of. */
export function linkNamesOf(header: TarEntry): string[] {
  return split(header.linkname ?? '', header, 'linkpath');
}

/** @param key What a pax header would have said it with, as UTF-8. */
function split(path: string, header: TarEntry, key: string): string[] {
  const latin1 =
    header.pax?.[key] === undefined ? path : Buffer.from(path, 'utf8').toString('latin1');
  const names = latin1.split('/').filter((name) => name !== '' && name !== '.');
  if (names.includes('..')) throw unsupported(header, `the path '${path}' leads upwards`);
  return names;
}

/** The inode of an entry that is no hard link. */
export function inodeOf(header: TarEntry, content: FileContent): TreeInode {
  const facts = factsOf(header);
  switch (header.type) {
    case 'file':
    case 'contiguous-file':
      return { ...facts, type: FileType.REG, size: header.size, content };
    case 'directory':
      return newDirectory(facts);
    case 'symlink':
      return {
        ...facts,
        type: FileType.LNK,
        mode: LINK_MODE,
        target:
          header.pax?.['linkpath'] === undefined
            ? (header.linkname ?? '')
            : Buffer.from(header.linkname ?? '', 'utf8').toString('latin1'),
      };
    case 'character-device':
    case 'block-device':
      return {
        ...facts,
        type: header.type === 'block-device' ? FileType.BLK : FileType.CHR,
        major: uint32(header, header.devmajor),
        minor: uint32(header, header.devminor),
      };
    case 'fifo':
      return { ...facts, type: FileType.FIFO };
    case 'link':
    case null:
      throw unsupported(header, 'it is of a kind that is not known here, such as a sparse file');
  }
}

export function factsOf(header: TarEntry): InodeFacts {
  const { mode, uid, gid, mtime, pax } = header;
  const seconds = Math.floor(mtime.getTime() / 1000);
  return {
    mode: mode & PERMISSION_BITS,
    uid: uint32(header, Number(pax?.['uid'] ?? uid)),
    gid: uint32(header, Number(pax?.['gid'] ?? gid)),
    mtime: decimalTime(header, pax?.['mtime'] ?? String(seconds)),
    xattrs: xattrsOf(pax ?? {}),
  };
}

/** A pax time: decimal seconds, with as many digits after the point as there are. */
function decimalTime(header: TarEntry, text: string): Timestamp {
  const groups = /^(?<sign>-?)(?<whole>\d+)(?:\.(?<fraction>\d*))?$/.exec(text)?.groups;
  const whole = Number(groups?.['whole']);
  if (!Number.isSafeInteger(whole)) {
    throw unsupported(header, `its time '${text}' is none`);
  }
  const ns = Number((groups?.['fraction'] ?? '').padEnd(9, '0').slice(0, 9));
  if (groups?.['sign'] !== '-') return { seconds: whole, nseconds: ns };
  return ns === 0
    ? { seconds: -whole, nseconds: 0 }
    : { seconds: -whole - 1, nseconds: NANOSECONDS_PER_SECOND - ns };
}

function uint32(header: TarEntry, value: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= UINT32_MAX) return value;
  throw unsupported(header, `${value} is neither an owner nor a device`);
}

const XATTR_KEY = 'SCHILY.xattr.';

function xattrsOf(pax: Readonly<Record<string, string>>): Xattr[] {
  return Object.entries(pax)
    .filter(([key]) => key.startsWith(XATTR_KEY))
    .map(([key, text]) => ({
      name: Buffer.from(key.slice(XATTR_KEY.length), 'utf8').toString('latin1'),
      value: Buffer.from(text, 'utf8'),
    }))
    .filter(({ name }) => isRecordedXattr(name));
}

/** What stands for bytes that are no UTF-8, after the reader of the archive took them for text. */
const REPLACEMENT = '\ufffd';

/** Refuses what would be lost without a word. */
export function checkReadable(header: TarEntry): void {
  for (const [key, text] of Object.entries(header.pax ?? {})) {
    if (/^(?:GNU\.sparse|SCHILY\.acl|SUN\.holesdata|LIBARCHIVE\.xattr)/.test(key)) {
      throw unsupported(header, `its pax header ${key} is not understood`);
    }
    if (
      `${key}${text}`.includes(REPLACEMENT) &&
      (key === 'path' || key === 'linkpath' || key.startsWith(XATTR_KEY))
    ) {
      throw unsupported(header, `its pax header ${key} holds bytes that are no UTF-8`);
    }
  }
}

export function unsupported(header: TarEntry, why: string): ImageError {
  return new ImageError(
    'UNSUPPORTED',
    `the archive's entry '${header.name}' cannot be taken over: ${why}; unpack it, and build from the directory`,
  );
}
