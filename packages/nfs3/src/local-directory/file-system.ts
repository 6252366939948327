import { statfsSync } from 'node:fs';
import type { FsinfoArgs, FsinfoResult } from '../procedures/fsinfo.ts';
import type { FsstatArgs, FsstatResult } from '../procedures/fsstat.ts';
import type { PathconfArgs, PathconfResult } from '../procedures/pathconf.ts';
import { MAX_TRANSFER_BYTES } from '../procedures/procedure.ts';
import type { Nfs3Context, Nfs3Service } from '../service.ts';
import { Mountstat3, Nfsstat3 } from '../status.ts';
import { FsinfoProperties, Ftype3, NAME_MAX } from '../types.ts';
import type { MountResult } from '../mount/mnt.ts';
import { statusOf } from './errno.ts';
import { answer, attributesIfKnown, attributesOf, checkName, type Tree } from './tree.ts';

const AUTH_SYS = 1;
const DIRECTORY_TRANSFER_BYTES = 64 * 1024;
const MAX_FILE_BYTES = BigInt(Number.MAX_SAFE_INTEGER);
/** Node sets times as floating-point seconds, of which microseconds arrive whole. */
const TIME_DELTA = { seconds: 0, nseconds: 1000 };

type FileSystem = Pick<Nfs3Service, 'null' | 'fsstat' | 'fsinfo' | 'pathconf' | 'mount'>;

/** NULL, FSSTAT, FSINFO, PATHCONF and MNT. */
export function fileSystemProcedures(tree: Tree): FileSystem {
  return {
    null: async (): Promise<void> => undefined,

    fsstat: ({ fsroot }: FsstatArgs): Promise<FsstatResult> =>
      answer(
        async () => {
          const pin = await tree.inodes.pin(fsroot);
          const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(tree.inodes.root.path, {
            bigint: true,
          });
          return {
            status: Nfsstat3.OK,
            objAttributes: attributesOf(tree, pin),
            tbytes: blocks * bsize,
            fbytes: bfree * bsize,
            abytes: bavail * bsize,
            tfiles: files,
            ffiles: ffree,
            afiles: ffree,
            invarsec: 0,
          };
        },
        (status) => ({ status, objAttributes: attributesIfKnown(tree, fsroot) }),
      ),

    fsinfo: ({ fsroot }: FsinfoArgs): Promise<FsinfoResult> =>
      answer(
        async () => ({
          status: Nfsstat3.OK,
          objAttributes: attributesOf(tree, await tree.inodes.pin(fsroot)),
          rtmax: MAX_TRANSFER_BYTES,
          rtpref: MAX_TRANSFER_BYTES,
          rtmult: 4096,
          wtmax: MAX_TRANSFER_BYTES,
          wtpref: MAX_TRANSFER_BYTES,
          wtmult: 4096,
          dtpref: DIRECTORY_TRANSFER_BYTES,
          maxfilesize: MAX_FILE_BYTES,
          timeDelta: TIME_DELTA,
          properties:
            FsinfoProperties.LINK |
            FsinfoProperties.SYMLINK |
            FsinfoProperties.HOMOGENEOUS |
            FsinfoProperties.CANSETTIME,
        }),
        (status) => ({ status, objAttributes: attributesIfKnown(tree, fsroot) }),
      ),

    pathconf: ({ object }: PathconfArgs): Promise<PathconfResult> =>
      answer(
        async () => ({
          status: Nfsstat3.OK,
          objAttributes: attributesOf(tree, await tree.inodes.pin(object)),
          // What ext4 takes; RENAME and LINK answer MLINK where it is less.
          linkmax: 65_000,
          nameMax: NAME_MAX,
          noTrunc: true,
          chownRestricted: true,
          caseInsensitive: false,
          casePreserving: true,
        }),
        (status) => ({ status, objAttributes: attributesIfKnown(tree, object) }),
      ),

    mount: async (dirpath: string, ctx: Nfs3Context): Promise<MountResult> => {
      ctx.signal.throwIfAborted();
      return mount(tree, dirpath);
    },
  };
}

const mountstats: ReadonlyMap<
  number,
  Exclude<MountResult['status'], typeof Mountstat3.OK>
> = new Map([
  [Nfsstat3.ACCES, Mountstat3.ACCES],
  [Nfsstat3.IO, Mountstat3.IO],
  [Nfsstat3.NOTDIR, Mountstat3.NOTDIR],
  [Nfsstat3.NOENT, Mountstat3.NOENT],
  [Nfsstat3.NAMETOOLONG, Mountstat3.NAMETOOLONG],
]);

/** `dirpath` is a path inside of the root; '/' is the root. Symbolic links are not followed. */
function mount(tree: Tree, dirpath: string): MountResult {
  try {
    if (!dirpath.startsWith('/')) return { status: Mountstat3.INVAL };
    let { root: found } = tree.inodes;
    for (const name of dirpath.split('/')) {
      if (name === '' || name === '.') continue;
      if (name === '..') return { status: Mountstat3.ACCES };
      checkName(name);
      const next = tree.inodes.pinEntry(found, name);
      if (next === undefined) return { status: Mountstat3.NOENT };
      if (next.type !== Ftype3.DIR) return { status: Mountstat3.NOTDIR };
      found = next;
    }
    return { status: Mountstat3.OK, handle: found.handle, authFlavors: [AUTH_SYS] };
  } catch (error) {
    return { status: mountstats.get(statusOf(error)) ?? Mountstat3.SERVERFAULT };
  }
}
