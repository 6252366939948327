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
          const { usedBytes, quotaBytes, availableBytes, diskBytes, diskFreeBytes, ...disk } =
            await overlay.shadow.space.statistics();
          // df shows total - free as used. With a quota that is what the shadow uses; without one
          // it is what everybody uses of the disk.
          const free =
            quotaBytes === undefined ? diskFreeBytes : Math.max(0, quotaBytes - usedBytes);
          return {
            status: Nfsstat3.OK,
            objAttributes,
            tbytes: BigInt(quotaBytes ?? diskBytes),
            fbytes: BigInt(free),
            abytes: BigInt(availableBytes),
            tfiles: BigInt(disk.diskFiles),
            ffiles: BigInt(disk.diskFilesFree),
            afiles: BigInt(disk.diskFilesFree),
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
