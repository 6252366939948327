import {
  readDiropargs3,
  readFilehandle,
  readPostOpAttr,
  readResult,
  writeDiropargs3,
  writeFilehandle,
  writePostOpAttr,
} from '../codec.ts';
import { Nfsstat3 } from '../status.ts';
import type { Diropargs3, Filehandle, PostOpAttr } from '../types.ts';
import type { ProcedureCodec, Result } from './procedure.ts';

/** LOOKUP, RFC 1813 section 3.3.3. */
export interface LookupArgs {
  readonly what: Diropargs3;
}
export type LookupResult = Result<
  {
    readonly object: Filehandle;
    readonly objAttributes: PostOpAttr;
    readonly dirAttributes: PostOpAttr;
  },
  { readonly dirAttributes: PostOpAttr }
>;

export const lookup: ProcedureCodec<LookupArgs, LookupResult> = {
  number: 3,
  idempotent: true,
  readArgs: (r) => ({ what: readDiropargs3(r) }),
  writeArgs: (w, args) => writeDiropargs3(w, args.what),
  readResult: (r) =>
    readResult(
      r,
      () => ({
        object: readFilehandle(r),
        objAttributes: readPostOpAttr(r),
        dirAttributes: readPostOpAttr(r),
      }),
      () => ({ dirAttributes: readPostOpAttr(r) }),
    ),
  writeResult(w, result) {
    w.uint32(result.status);
    if (result.status === Nfsstat3.OK) {
      writeFilehandle(w, result.object);
      writePostOpAttr(w, result.objAttributes);
    }
    writePostOpAttr(w, result.dirAttributes);
  },
};
