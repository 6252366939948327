import {
  type Filehandle,
  type Nfs3Service,
  Nfsstat3,
  type Nfsstat3Error,
  type PostOpAttr,
  type WccData,
} from '@rowfs/nfs3';
import type { ImageTree } from './image-tree.ts';

type Refusing = Pick<
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

/**
 * Every change is refused with NFS3ERR_ROFS, with the attributes as they are and will be; a bad handle
 * is told first. COMMIT has nothing to do: nothing was ever written.
 */
export function refusingProcedures(tree: ImageTree): Refusing {
  const statusOf = (handle: Filehandle): Nfsstat3Error => {
    const found = tree.find(handle);
    return typeof found === 'number' ? found : Nfsstat3.ROFS;
  };
  const attributesOf = (handle: Filehandle): PostOpAttr => {
    const found = tree.find(handle);
    return typeof found === 'number' ? undefined : found.attributes;
  };
  const wccOf = (handle: Filehandle): WccData => {
    const after = attributesOf(handle);
    if (after === undefined) return { before: undefined, after };
    const { size, mtime, ctime } = after;
    return { before: { size, mtime, ctime }, after };
  };
  const inDirectory = async ({ where }: { where: { dir: Filehandle } }) => ({
    status: statusOf(where.dir),
    dirWcc: wccOf(where.dir),
  });
  const outOfDirectory = async ({ object }: { object: { dir: Filehandle } }) => ({
    status: statusOf(object.dir),
    dirWcc: wccOf(object.dir),
  });

  return {
    setattr: async ({ object }) => ({ status: statusOf(object), objWcc: wccOf(object) }),
    write: async ({ file }) => ({ status: statusOf(file), fileWcc: wccOf(file) }),
    create: inDirectory,
    mkdir: inDirectory,
    symlink: inDirectory,
    mknod: inDirectory,
    remove: outOfDirectory,
    rmdir: outOfDirectory,
    rename: async ({ from, to }) => ({
      status: statusOf(from.dir) === Nfsstat3.ROFS ? statusOf(to.dir) : statusOf(from.dir),
      fromdirWcc: wccOf(from.dir),
      todirWcc: wccOf(to.dir),
    }),
    link: async ({ file, link }) => ({
      status: statusOf(file) === Nfsstat3.ROFS ? statusOf(link.dir) : statusOf(file),
      fileAttributes: attributesOf(file),
      linkdirWcc: wccOf(link.dir),
    }),
    commit: async ({ file }) => {
      const status = statusOf(file);
      const fileWcc = wccOf(file);
      if (status !== Nfsstat3.ROFS) return { status, fileWcc };
      return { status: Nfsstat3.OK, fileWcc, verf: tree.cookieverf };
    },
  };
}
