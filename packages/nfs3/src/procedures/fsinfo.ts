import {
  readFilehandle,
  readNfstime3,
  readPostOpAttr,
  readResult,
  writeFilehandle,
  writeNfstime3,
  writePostOpAttr,
} from '../codec.ts';
import { Nfsstat3 } from '../status.ts';
import type { Filehandle, Nfstime3, PostOpAttr } from '../types.ts';
import type { ProcedureCodec, Result } from './procedure.ts';

/** FSINFO, RFC 1813 section 3.3.19. */
export interface FsinfoArgs {
  readonly fsroot: Filehandle;
}
/** Transfer sizes and file size in bytes; `properties` is a set of {@link FsinfoProperties}. */
export interface Fsinfo {
  readonly rtmax: number;
  readonly rtpref: number;
  readonly rtmult: number;
  readonly wtmax: number;
  readonly wtpref: number;
  readonly wtmult: number;
  readonly dtpref: number;
  readonly maxfilesize: bigint;
  readonly timeDelta: Nfstime3;
  readonly properties: number;
}
export type FsinfoResult = Result<
  Fsinfo & { readonly objAttributes: PostOpAttr },
  { readonly objAttributes: PostOpAttr }
>;

export const fsinfo: ProcedureCodec<FsinfoArgs, FsinfoResult> = {
  number: 19,
  idempotent: true,
  readArgs: (r) => ({ fsroot: readFilehandle(r) }),
  writeArgs: (w, args) => writeFilehandle(w, args.fsroot),
  readResult: (r) =>
    readResult(
      r,
      () => ({
        objAttributes: readPostOpAttr(r),
        rtmax: r.uint32(),
        rtpref: r.uint32(),
        rtmult: r.uint32(),
        wtmax: r.uint32(),
        wtpref: r.uint32(),
        wtmult: r.uint32(),
        dtpref: r.uint32(),
        maxfilesize: r.uint64(),
        timeDelta: readNfstime3(r),
        properties: r.uint32(),
      }),
      () => ({ objAttributes: readPostOpAttr(r) }),
    ),
  writeResult(w, result) {
    w.uint32(result.status);
    writePostOpAttr(w, result.objAttributes);
    if (result.status !== Nfsstat3.OK) return;
    w.uint32(result.rtmax);
    w.uint32(result.rtpref);
    w.uint32(result.rtmult);
    w.uint32(result.wtmax);
    w.uint32(result.wtpref);
    w.uint32(result.wtmult);
    w.uint32(result.dtpref);
    w.uint64(result.maxfilesize);
    writeNfstime3(w, result.timeDelta);
    w.uint32(result.properties);
  },
};
