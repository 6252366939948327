import {
  readDiropargs3,
  readResult,
  readWccData,
  writeDiropargs3,
  writeWccData,
} from '../codec.ts';
import type { Diropargs3, WccData } from '../types.ts';
import type { ProcedureCodec, Result } from './procedure.ts';

/** RENAME, RFC 1813 section 3.3.14. */
export interface RenameArgs {
  readonly from: Diropargs3;
  readonly to: Diropargs3;
}
interface RenameBody {
  readonly fromdirWcc: WccData;
  readonly todirWcc: WccData;
}
export type RenameResult = Result<RenameBody, RenameBody>;

export const rename: ProcedureCodec<RenameArgs, RenameResult> = {
  number: 14,
  idempotent: false,
  readArgs: (r) => ({ from: readDiropargs3(r), to: readDiropargs3(r) }),
  writeArgs(w, args) {
    writeDiropargs3(w, args.from);
    writeDiropargs3(w, args.to);
  },
  readResult(r) {
    const body = (): RenameBody => ({ fromdirWcc: readWccData(r), todirWcc: readWccData(r) });
    return readResult(r, body, body);
  },
  writeResult(w, result) {
    w.uint32(result.status);
    writeWccData(w, result.fromdirWcc);
    writeWccData(w, result.todirWcc);
  },
};
