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

/** PATHCONF, RFC 1813 section 3.3.20. */
export interface PathconfArgs {
  readonly object: Filehandle;
}
export interface Pathconf {
  readonly linkmax: number;
  readonly nameMax: number;
  readonly noTrunc: boolean;
  readonly chownRestricted: boolean;
  readonly caseInsensitive: boolean;
  readonly casePreserving: boolean;
}
export type PathconfResult = Result<
  Pathconf & { readonly objAttributes: PostOpAttr },
  { readonly objAttributes: PostOpAttr }
>;

export const pathconf: ProcedureCodec<PathconfArgs, PathconfResult> = {
  number: 20,
  idempotent: true,
  readArgs: (r) => ({ object: readFilehandle(r) }),
  writeArgs: (w, args) => writeFilehandle(w, args.object),
  readResult: (r) =>
    readResult(
      r,
      () => ({
        objAttributes: readPostOpAttr(r),
        linkmax: r.uint32(),
        nameMax: r.uint32(),
        noTrunc: r.bool(),
        chownRestricted: r.bool(),
        caseInsensitive: r.bool(),
        casePreserving: r.bool(),
      }),
      () => ({ objAttributes: readPostOpAttr(r) }),
    ),
  writeResult(w, result) {
    w.uint32(result.status);
    writePostOpAttr(w, result.objAttributes);
    if (result.status !== Nfsstat3.OK) return;
    w.uint32(result.linkmax);
    w.uint32(result.nameMax);
    w.bool(result.noTrunc);
    w.bool(result.chownRestricted);
    w.bool(result.caseInsensitive);
    w.bool(result.casePreserving);
  },
};
