import type { Nfs3Context, Nfs3Service } from './service.ts';
import { Nfsstat3, type Nfsstat3Error } from './status.ts';
import type { Filehandle, Filename, PostOpAttr } from './types.ts';

/** Where a walk ended; `depth` is the number of names that were found. */
export type WalkResult =
  | {
      readonly status: typeof Nfsstat3.OK;
      readonly object: Filehandle;
      /** Of the last LOOKUP; undefined too when there was nothing to walk. */
      readonly objAttributes: PostOpAttr;
    }
  | { readonly status: Nfsstat3Error; readonly depth: number };

/**
 * Looks up a path, name by name, from the directory `root`.
 *
 * Symbolic links are not followed: a name below one is NFS3ERR_NOTDIR, as LOOKUP has it.
 *
 * @param path names as {@link pathNames} gives them.
 */
export async function walk(
  service: Pick<Nfs3Service, 'lookup'>,
  root: Filehandle,
  path: readonly Filename[],
  ctx: Nfs3Context,
): Promise<WalkResult> {
  let object = root;
  let objAttributes: PostOpAttr;
  for (const [depth, name] of path.entries()) {
    const result = await service.lookup({ what: { dir: object, name } }, ctx);
    if (result.status !== Nfsstat3.OK) return { status: result.status, depth };
    ({ object, objAttributes } = result);
  }
  return { status: Nfsstat3.OK, object, objAttributes };
}

/** The names of a path between its slashes; empty ones and `.` are left out, `..` is kept. */
export function pathNames(path: string): Filename[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
