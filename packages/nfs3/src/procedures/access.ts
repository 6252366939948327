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

/** ACCESS, RFC 1813 section 3.3.4; `access` is a set of {@link Access3} bits. */
export interface AccessArgs {
  readonly object: Filehandle;
  readonly access: number;
}
export type AccessResult = Result<
  { readonly objAttributes: PostOpAttr; readonly access: number },
  { readonly objAttributes: PostOpAttr }
>;

export const access: ProcedureCodec<AccessArgs, AccessResult> = {
  number: 4,
  idempotent: true,
  readArgs: (r) => ({ object: readFilehandle(r), access: r.uint32() }),
  writeArgs(w, args) {
    writeFilehandle(w, args.object);
    w.uint32(args.access);
  },
  readResult: (r) =>
    readResult(
      r,
      () => ({ objAttributes: readPostOpAttr(r), access: r.uint32() }),
      () => ({ objAttributes: readPostOpAttr(r) }),
    ),
  writeResult(w, result) {
    w.uint32(result.status);
    writePostOpAttr(w, result.objAttributes);
    if (result.status === Nfsstat3.OK) w.uint32(result.access);
  },
};
