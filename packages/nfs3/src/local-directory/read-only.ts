import type { Nfs3Service } from '../service.ts';
import { Nfsstat3 } from '../status.ts';
import type { Filehandle, WccData } from '../types.ts';
import { NO_WCC } from './attributes.ts';
import { attributesIfKnown, type Tree } from './tree.ts';

/** The procedures that change something. */
export type Mutating = Pick<
  Nfs3Service,
  | 'setattr'
  | 'write'
  | 'create'
  | 'mkdir'
  | 'symlink'
  | 'mknod'
  | 'remove'
  | 'rmdir'
  | 'rename'
  | 'link'
  | 'commit'
>;

/** What a read-only tree answers to each of them: NFS3ERR_ROFS, with attributes. */
export function readOnlyProcedures(tree: Tree): Mutating {
  const status = Nfsstat3.ROFS;
  const wcc = (handle: Filehandle): WccData => ({
    ...NO_WCC,
    after: attributesIfKnown(tree, handle),
  });
  return {
    setattr: async ({ object }) => ({ status, objWcc: wcc(object) }),
    write: async ({ file }) => ({ status, fileWcc: wcc(file) }),
    create: async ({ where }) => ({ status, dirWcc: wcc(where.dir) }),
    mkdir: async ({ where }) => ({ status, dirWcc: wcc(where.dir) }),
    symlink: async ({ where }) => ({ status, dirWcc: wcc(where.dir) }),
    mknod: async ({ where }) => ({ status, dirWcc: wcc(where.dir) }),
    remove: async ({ object }) => ({ status, dirWcc: wcc(object.dir) }),
    rmdir: async ({ object }) => ({ status, dirWcc: wcc(object.dir) }),
    rename: async ({ from, to }) => ({
      status,
      fromdirWcc: wcc(from.dir),
      todirWcc: wcc(to.dir),
    }),
    link: async ({ file, link }) => ({
      status,
      fileAttributes: attributesIfKnown(tree, file),
      linkdirWcc: wcc(link.dir),
    }),
    commit: async ({ file }) => ({ status, fileWcc: wcc(file) }),
  };
}
