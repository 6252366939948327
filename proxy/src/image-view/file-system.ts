import {
  type Filehandle,
  FsinfoProperties,
  Ftype3,
  MAX_TRANSFER_BYTES,
  Mountstat3,
  type MountResult,
  NAME_MAX,
  type Nfs3Service,
  Nfsstat3,
  type Nfsstat3Error,
  type PostOpAttr,
} from '@rowfs/nfs3';
import type { ImageTree } from './image-tree.ts';

const AUTH_SYS = 1;
const DIRECTORY_PREFERRED_BYTES = 64 * 1024;
/** What READs and directories are best a multiple of. */
const MULTIPLE_BYTES = 4096;
const MAX_FILE_BYTES = BigInt(Number.MAX_SAFE_INTEGER);
/** The most that a manifest can count. */
const MAX_LINKS = 0xffff_ffff;

/** NULL, FSSTAT, FSINFO, PATHCONF and MNT. */
export function fileSystemProcedures(
  tree: ImageTree,
): Pick<Nfs3Service, 'null' | 'fsstat' | 'fsinfo' | 'pathconf' | 'mount'> {
  const { image } = tree;

  /** The facts behind the object's attributes, the same for every object. */
  function about<Facts extends object>(
    handle: Filehandle,
    facts: Facts,
  ):
    | ({ status: typeof Nfsstat3.OK; objAttributes: PostOpAttr } & Facts)
    | { status: Nfsstat3Error; objAttributes: undefined } {
    const found = tree.find(handle);
    if (typeof found === 'number') return { status: found, objAttributes: undefined };
    return { status: Nfsstat3.OK, objAttributes: found.attributes, ...facts };
  }

  // A full disk with everything of the image on it.
  const statistics = {
    tbytes: BigInt(image.blockCount) * BigInt(image.blockSize),
    fbytes: 0n,
    abytes: 0n,
    tfiles: BigInt(image.inodeCount),
    ffiles: 0n,
    afiles: 0n,
    // It never changes.
    invarsec: MAX_LINKS,
  };

  return {
    null: async () => undefined,

    fsstat: async ({ fsroot }) => about(fsroot, statistics),

    fsinfo: async ({ fsroot }) =>
      about(fsroot, {
        rtmax: MAX_TRANSFER_BYTES,
        rtpref: MAX_TRANSFER_BYTES,
        rtmult: MULTIPLE_BYTES,
        wtmax: MAX_TRANSFER_BYTES,
        wtpref: MAX_TRANSFER_BYTES,
        wtmult: MULTIPLE_BYTES,
        dtpref: DIRECTORY_PREFERRED_BYTES,
        maxfilesize: MAX_FILE_BYTES,
        timeDelta: { seconds: 0, nseconds: 1 },
        properties: FsinfoProperties.LINK | FsinfoProperties.SYMLINK | FsinfoProperties.HOMOGENEOUS,
      }),

    pathconf: async ({ object }) =>
      about(object, {
        linkmax: MAX_LINKS,
        nameMax: NAME_MAX,
        noTrunc: true,
        chownRestricted: true,
        caseInsensitive: false,
        casePreserving: true,
      }),

    mount: async (dirpath) => mount(tree, dirpath),
  };
}

/** `dirpath` is a path inside of the image; '/' is its root. Symbolic links are not followed. */
function mount(tree: ImageTree, dirpath: string): MountResult {
  if (!dirpath.startsWith('/')) return { status: Mountstat3.INVAL };
  let directory = tree.image.root;
  for (const name of dirpath.split('/')) {
    if (name === '' || name === '.') continue;
    if (name === '..') return { status: Mountstat3.ACCES };
    if (name.length > NAME_MAX) return { status: Mountstat3.NAMETOOLONG };
    const found = tree.child(directory, name);
    if (found === undefined) return { status: Mountstat3.NOENT };
    if (tree.attributes(found).type !== Ftype3.DIR) return { status: Mountstat3.NOTDIR };
    directory = found;
  }
  return { status: Mountstat3.OK, handle: tree.handleOf(directory), authFlavors: [AUTH_SYS] };
}
