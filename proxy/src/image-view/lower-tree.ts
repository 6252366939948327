import { Ftype3, type Filehandle, Nfsstat3, type Nfsstat3Error } from '@rowfs/nfs3';
import type { LowerTree } from '../row/lower-tree.ts';
import type { ImageTree } from './image-tree.ts';

/** The image for redirect-on-write, which checks permissions itself. */
export function lowerTree(tree: ImageTree): LowerTree {
  const directoryOf = (handle: Filehandle): { readonly fileid: number } | Nfsstat3Error => {
    const found = tree.identify(handle);
    if (typeof found === 'number') return found;
    return tree.image.type(found.fileid) === Ftype3.DIR ? found : Nfsstat3.NOTDIR;
  };

  return {
    attributes(handle, fsid) {
      const found = tree.identify(handle);
      return typeof found === 'number' ? found : tree.attributes(found.fileid, fsid);
    },
    child(directory, name) {
      const found = directoryOf(directory);
      if (typeof found === 'number') return found;
      const child = tree.child(found.fileid, name);
      return child === undefined ? Nfsstat3.NOENT : tree.handleOf(child);
    },
    list(directory) {
      const found = directoryOf(directory);
      return typeof found === 'number' ? found : tree.image.readdir(found.fileid);
    },
    handleOf: (fileid) => tree.handleOf(fileid),
  };
}
