/**
 * What Node.js does not offer of the C library: extended attributes, holes, and times to the
 * nanosecond. Paths are bytes, since names need not be UTF-8.
 */
import { constants } from 'node:os';
import koffi from 'koffi';
import type { Timestamp, Xattr } from './tree.ts';

const libc = koffi.load(null);
const timespec = koffi.struct({ seconds: 'int64_t', nanoseconds: 'int64_t' });
const llistxattr = libc.func('int64_t llistxattr(const void *path, void *list, size_t size)');
const lgetxattr = libc.func(
  'int64_t lgetxattr(const void *path, const void *name, void *value, size_t size)',
);
const lseek = libc.func('int64_t lseek(int fd, int64_t offset, int whence)');
const utimensat = libc.func('utimensat', 'int', [
  'int',
  'const void *',
  koffi.pointer(timespec),
  'int',
]);

type LibcFunction = 'llistxattr' | 'lgetxattr' | 'lseek' | 'utimensat';

/** A call that failed, as Node.js' own of the file system do. */
function failure(call: LibcFunction, path: string): NodeJS.ErrnoException {
  const errno = koffi.errno();
  const code = Object.entries(constants.errno).find(([, number]) => number === errno)?.[0];
  return Object.assign(new Error(`${code ?? errno}: ${call} '${path}'`), {
    code: code ?? 'UNKNOWN',
    syscall: call,
  });
}

/** Linux's XATTR_LIST_MAX and XATTR_SIZE_MAX. */
const XATTR_MAX_BYTES = 65_536;
const list = Buffer.alloc(XATTR_MAX_BYTES);
const value = Buffer.alloc(XATTR_MAX_BYTES);

/** The extended attributes of the file itself, never of what a symbolic link points to. */
export function extendedAttributes(path: Uint8Array, wanted: (name: string) => boolean): Xattr[] {
  const cPath = zeroTerminated(path);
  const length = Number(llistxattr(cPath, list, list.length));
  if (length < 0) {
    // A file system that has none.
    if (koffi.errno() === constants.errno.EOPNOTSUPP) return [];
    throw failure('llistxattr', Buffer.from(path).toString());
  }
  if (length === 0) return [];
  return list
    .toString('latin1', 0, length - 1)
    .split('\0')
    .filter(wanted)
    .map((name) => {
      const cName = zeroTerminated(Buffer.from(name, 'latin1'));
      const size = Number(lgetxattr(cPath, cName, value, value.length));
      if (size < 0) throw failure('lgetxattr', Buffer.from(path).toString());
      return { name, value: Buffer.from(value.subarray(0, size)) };
    });
}

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** The next stretch of the file, at or after `offset`, that is not a hole; undefined when there is none. */
export function nextData(fd: number, offset: number): { start: number; end: number } | undefined {
  const start = Number(lseek(fd, offset, SEEK_DATA));
  if (start < 0) {
    if (koffi.errno() === constants.errno.ENXIO) return undefined;
    throw failure('lseek', `/dev/fd/${fd}`);
  }
  const end = Number(lseek(fd, start, SEEK_HOLE));
  if (end < 0) throw failure('lseek', `/dev/fd/${fd}`);
  return { start, end };
}

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const UTIME_OMIT = 0x3fff_fffe;

/** Sets the file's mtime, to the nanosecond, and leaves its atime. */
export function setMtime(path: Uint8Array, { seconds, nseconds }: Timestamp): void {
  const times = [
    { seconds: 0, nanoseconds: UTIME_OMIT },
    { seconds, nanoseconds: nseconds },
  ];
  if (Number(utimensat(AT_FDCWD, zeroTerminated(path), times, AT_SYMLINK_NOFOLLOW)) !== 0) {
    throw failure('utimensat', Buffer.from(path).toString());
  }
}

function zeroTerminated(bytes: Uint8Array): Buffer {
  const copy = Buffer.alloc(bytes.length + 1);
  copy.set(bytes);
  return copy;
}
