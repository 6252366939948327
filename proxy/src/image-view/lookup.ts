import { Access3, checkAccess, Ftype3, NAME_MAX, type Nfs3Service, Nfsstat3 } from '@rowfs/nfs3';
import type { ImageTree } from './image-tree.ts';

/** Nobody may change an image; what may be changed over it is for a layer above to grant. */
const WRITE_BITS = Access3.MODIFY | Access3.EXTEND | Access3.DELETE;

/** GETATTR, LOOKUP, ACCESS and READLINK. */
export function lookupProcedures(
  tree: ImageTree,
): Pick<Nfs3Service, 'getattr' | 'lookup' | 'access' | 'readlink'> {
  return {
    getattr: async ({ object }) => {
      const found = tree.find(object);
      if (typeof found === 'number') return { status: found };
      return { status: Nfsstat3.OK, attributes: found.attributes };
    },

    lookup: async ({ what: { dir, name } }, { credential }) => {
      const directory = tree.find(dir);
      if (typeof directory === 'number') return { status: directory, dirAttributes: undefined };
      const { fileid, attributes: dirAttributes } = directory;
      if (dirAttributes.type !== Ftype3.DIR) return { status: Nfsstat3.NOTDIR, dirAttributes };
      if (checkAccess(dirAttributes, credential, Access3.LOOKUP) === 0) {
        return { status: Nfsstat3.ACCES, dirAttributes };
      }
      if (name.length > NAME_MAX) return { status: Nfsstat3.NAMETOOLONG, dirAttributes };
      const found = tree.child(fileid, name);
      if (found === undefined) return { status: Nfsstat3.NOENT, dirAttributes };
      return {
        status: Nfsstat3.OK,
        object: tree.handleOf(found),
        objAttributes: tree.attributes(found),
        dirAttributes,
      };
    },

    access: async ({ object, access }, { credential }) => {
      const found = tree.find(object);
      if (typeof found === 'number') return { status: found, objAttributes: undefined };
      const { attributes: objAttributes } = found;
      const granted = checkAccess(objAttributes, credential, access & ~WRITE_BITS);
      return { status: Nfsstat3.OK, objAttributes, access: granted };
    },

    readlink: async ({ symlink }) => {
      const found = tree.find(symlink);
      if (typeof found === 'number') return { status: found, symlinkAttributes: undefined };
      const { fileid, attributes: symlinkAttributes } = found;
      if (symlinkAttributes.type !== Ftype3.LNK) {
        return { status: Nfsstat3.INVAL, symlinkAttributes };
      }
      return { status: Nfsstat3.OK, symlinkAttributes, data: tree.image.readlink(fileid) };
    },
  };
}
