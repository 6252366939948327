import {
  Access3,
  checkAccess,
  type Diropargs3,
  type Fattr3,
  mayUnlink,
  Nfsstat3,
} from '@rowfs/nfs3';
import type { Decision, MergedObject } from './decision.ts';
import { Refusal } from './refusal.ts';

/** A directory in which the caller may look names up. */
export interface SearchedDirectory {
  readonly directory: MergedObject;
  readonly attributes: Fattr3;
}

/*
 * Who may change a directory, and what is said when several things are wrong: in the order of a local
 * file system, so that nothing that runs on one is surprised here. First may names be looked up at
 * all, then what is there under that name, and only then may the directory be changed.
 */

/** @throws Refusal STALE, NOTDIR, or ACCES when names may not be looked up there. */
export function searchedDirectory(tree: Decision, dir: Diropargs3['dir']): SearchedDirectory {
  const directory = tree.resolveDirectory(dir);
  const attributes = tree.attributes(directory);
  if (checkAccess(attributes, tree.credential, Access3.LOOKUP) === 0) {
    throw new Refusal(Nfsstat3.ACCES);
  }
  return { directory, attributes };
}

/** @throws Refusal ACCES when the caller may not put a name into the directory. */
export function checkMayAdd(tree: Decision, directory: Fattr3): void {
  if (checkAccess(directory, tree.credential, Access3.EXTEND) === 0) {
    throw new Refusal(Nfsstat3.ACCES);
  }
}

/** @throws Refusal ACCES when nothing may be taken out, PERM when another's may not (sticky). */
export function checkMayTakeOut(tree: Decision, directory: Fattr3, object: MergedObject): void {
  if (checkAccess(directory, tree.credential, Access3.DELETE) === 0) {
    throw new Refusal(Nfsstat3.ACCES);
  }
  if (!mayUnlink(directory, tree.attributes(object), tree.credential)) {
    throw new Refusal(Nfsstat3.PERM);
  }
}
