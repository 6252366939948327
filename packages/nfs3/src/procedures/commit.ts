import {
  readFilehandle,
  readResult,
  readWccData,
  writeFilehandle,
  writeWccData,
} from '../codec.ts';
import { Nfsstat3 } from '../status.ts';
import type { Filehandle, Verf3, WccData } from '../types.ts';
import type { ProcedureCodec, Result } from './procedure.ts';

/** COMMIT, RFC 1813 section 3.3.21; a count of 0 means to the end of the file. */
export interface CommitArgs {
  readonly file: Filehandle;
  readonly offset: number;
  readonly count: number;
}
export type CommitResult = Result<
  { readonly fileWcc: WccData; readonly verf: Verf3 },
  { readonly fileWcc: WccData }
>;

export const commit: ProcedureCodec<CommitArgs, CommitResult> = {
  number: 21,
  idempotent: true,
  readArgs: (r) => ({ file: readFilehandle(r), offset: r.uint53(), count: r.uint32() }),
  writeArgs(w, args) {
    writeFilehandle(w, args.file);
    w.uint53(args.offset);
    w.uint32(args.count);
  },
  readResult: (r) =>
    readResult(
      r,
      () => ({ fileWcc: readWccData(r), verf: r.uint64() }),
      () => ({ fileWcc: readWccData(r) }),
    ),
  writeResult(w, result) {
    w.uint32(result.status);
    writeWccData(w, result.fileWcc);
    if (result.status === Nfsstat3.OK) w.uint64(result.verf);
  },
};
