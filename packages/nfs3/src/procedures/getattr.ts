import { readFattr3, readFilehandle, readResult, writeFattr3, writeFilehandle } from '../codec.ts';
import { Nfsstat3 } from '../status.ts';
import type { Fattr3, Filehandle } from '../types.ts';
import type { ProcedureCodec, Result } from './procedure.ts';

/** GETATTR, RFC 1813 section 3.3.1. */
export interface GetattrArgs {
  readonly object: Filehandle;
}
export type GetattrResult = Result<{ readonly attributes: Fattr3 }>;

export const getattr: ProcedureCodec<GetattrArgs, GetattrResult> = {
  number: 1,
  idempotent: true,
  readArgs: (r) => ({ object: readFilehandle(r) }),
  writeArgs: (w, args) => writeFilehandle(w, args.object),
  readResult: (r) =>
    readResult(
      r,
      () => ({ attributes: readFattr3(r) }),
      () => ({}),
    ),
  writeResult(w, result) {
    w.uint32(result.status);
    if (result.status === Nfsstat3.OK) writeFattr3(w, result.attributes);
  },
};
