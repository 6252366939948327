import {
  readFilehandle,
  readNfspath,
  readPostOpAttr,
  readResult,
  writeFilehandle,
  writePostOpAttr,
} from '../codec.ts';
import { Nfsstat3 } from '../status.ts';
import type { Filehandle, Nfspath, PostOpAttr } from '../types.ts';
import type { ProcedureCodec, Result } from './procedure.ts';

/** READLINK, RFC 1813 section 3.3.5. */
export interface ReadlinkArgs {
  readonly symlink: Filehandle;
}
export type ReadlinkResult = Result<
  { readonly symlinkAttributes: PostOpAttr; readonly data: Nfspath },
  { readonly symlinkAttributes: PostOpAttr }
>;

export const readlink: ProcedureCodec<ReadlinkArgs, ReadlinkResult> = {
  number: 5,
  idempotent: true,
  readArgs: (r) => ({ symlink: readFilehandle(r) }),
  writeArgs: (w, args) => writeFilehandle(w, args.symlink),
  readResult: (r) =>
    readResult(
      r,
      () => ({ symlinkAttributes: readPostOpAttr(r), data: readNfspath(r) }),
      () => ({ symlinkAttributes: readPostOpAttr(r) }),
    ),
  writeResult(w, result) {
    w.uint32(result.status);
    writePostOpAttr(w, result.symlinkAttributes);
    if (result.status === Nfsstat3.OK) w.string(result.data);
  },
};
