import { pathNames } from '../walk.ts';
import type { Dirpath } from '../mount/types.ts';

/** The one way to write a path: `/a/b`, without empty names, `.` and a slash at the end. */
export function normalizeDirpath(dirpath: Dirpath): Dirpath {
  return `/${pathNames(dirpath).join('/')}`;
}

/**
 * A path that names its place only after something was resolved is not mounted. The empty path is
 * the root: libnfs mounts what stands before the last slash of a file's path.
 */
export function isPlainDirpath(dirpath: Dirpath): boolean {
  const isAbsolute = dirpath === '' || dirpath.startsWith('/');
  return isAbsolute && !dirpath.includes('\0') && !pathNames(dirpath).includes('..');
}

/**
 * Where a path lies below an export.
 *
 * @param dirpath normalized.
 * @returns the path from the root of the export, `/` for the export itself; undefined outside.
 */
export function pathBelow(exported: Dirpath, dirpath: Dirpath): Dirpath | undefined {
  if (exported === '/') return dirpath;
  if (dirpath === exported) return '/';
  return dirpath.startsWith(`${exported}/`) ? dirpath.slice(exported.length) : undefined;
}
