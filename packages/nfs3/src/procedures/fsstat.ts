import {
  readFilehandle,
  readPostOpAttr,
  readResult,
  writeFilehandle,
  writePostOpAttr,
} from '../codec.ts';
import { Nfsstat3 } from '../status.ts';
import type { Filehandle, PostOpAttr } from '../types.ts';
import type { ProcedureCodec, Result } from './procedure.ts';

/** FSSTAT, RFC 1813 section 3.3.18. */
export interface FsstatArgs {
  readonly fsroot: Filehandle;
}
/** Total, free, and free to the caller, of bytes and of file slots; seconds it stays true. */
export interface Fsstat {
  readonly tbytes: bigint;
  readonly fbytes: bigint;
  readonly abytes: bigint;
  readonly tfiles: bigint;
  readonly ffiles: bigint;
  readonly afiles: bigint;
  readonly invarsec: number;
}
export type FsstatResult = Result<
  Fsstat & { readonly objAttributes: PostOpAttr },
  { readonly objAttributes: PostOpAttr }
>;

export const fsstat: ProcedureCodec<FsstatArgs, FsstatResult> = {
  number: 18,
  idempotent: true,
  readArgs: (r) => ({ fsroot: readFilehandle(r) }),
  writeArgs: (w, args) => writeFilehandle(w, args.fsroot),
  readResult: (r) =>
    readResult(
      r,
      () => ({
        objAttributes: readPostOpAttr(r),
        tbytes: r.uint64(),
        fbytes: r.uint64(),
        abytes: r.uint64(),
        tfiles: r.uint64(),
        ffiles: r.uint64(),
        afiles: r.uint64(),
        invarsec: r.uint32(),
      }),
      () => ({ objAttributes: readPostOpAttr(r) }),
    ),
  writeResult(w, result) {
    w.uint32(result.status);
    writePostOpAttr(w, result.objAttributes);
    if (result.status !== Nfsstat3.OK) return;
    w.uint64(result.tbytes);
    w.uint64(result.fbytes);
    w.uint64(result.abytes);
    w.uint64(result.tfiles);
    w.uint64(result.ffiles);
    w.uint64(result.afiles);
    w.uint32(result.invarsec);
  },
};
