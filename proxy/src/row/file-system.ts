import { statfs } from 'node:fs/promises';
import {
  FsinfoProperties,
  type Filehandle,
  type Fattr3,
  MAX_TRANSFER_BYTES,
  NAME_MAX,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
} from '@rowfs/nfs3';
import { MAX_LINKS } from './link.ts';
import { answer, decide, type Overlay } from './operation.ts';
import { BLOCK_BYTES } from '../shadow/presence.ts';
import { MAX_FILE_BYTES } from './write.ts';

const DIRECTORY_PREFERRED_BYTES = 64 * 1024;

/** FSSTAT, which tells of the disk that the writes go to, FSINFO and PATHCONF. */
export function fileSystemProcedures(
  overlay: Overlay,
): Pick<Nfs3Service, 'fsstat' | 'fsinfo' | 'pathconf'> {
  const attributesOf = (handle: Filehandle, ctx: Nfs3Context): Promise<Fattr3> =>
    decide(overlay, ctx, (tree) => tree.attributes(tree.resolve(handle)));

  return {
    fsstat: (args, ctx) =>
      answer(
        async () => {
          const objAttributes = await attributesOf(args.fsroot, ctx);
          const disk = await statfs(overlay.shadow.directory, { bigint: true });
          return {
            status: Nfsstat3.OK,
            objAttributes,
            tbytes: disk.blocks * disk.bsize,
            fbytes: disk.bfree * disk.bsize,
            abytes: disk.bavail * disk.bsize,
            tfiles: disk.files,
            ffiles: disk.ffree,
            afiles: disk.ffree,
            invarsec: 0,
          };
        },
        (status) => ({ status, objAttributes: undefined }),
      ),

    fsinfo: (args, ctx) =>
      answer(
        async () => ({
          status: Nfsstat3.OK,
          objAttributes: await attributesOf(args.fsroot, ctx),
          rtmax: MAX_TRANSFER_BYTES,
          rtpref: MAX_TRANSFER_BYTES,
          rtmult: BLOCK_BYTES,
          wtmax: MAX_TRANSFER_BYTES,
          wtpref: MAX_TRANSFER_BYTES,
          wtmult: BLOCK_BYTES,
          dtpref: DIRECTORY_PREFERRED_BYTES,
          maxfilesize: BigInt(MAX_FILE_BYTES),
          timeDelta: { seconds: 0, nseconds: 1 },
          properties:
            FsinfoProperties.LINK |
            FsinfoProperties.SYMLINK |
            FsinfoProperties.HOMOGENEOUS |
            FsinfoProperties.CANSETTIME,
        }),
        (status) => ({ status, objAttributes: undefined }),
      ),

    pathconf: (args, ctx) =>
      answer(
        async () => ({
          status: Nfsstat3.OK,
          objAttributes: await attributesOf(args.object, ctx),
          linkmax: MAX_LINKS,
          nameMax: NAME_MAX,
          noTrunc: true,
          chownRestricted: true,
          caseInsensitive: false,
          casePreserving: true,
        }),
        (status) => ({ status, objAttributes: undefined }),
      ),
  };
}
