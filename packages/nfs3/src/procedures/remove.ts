import {
  readDiropargs3,
  readResult,
  readWccData,
  writeDiropargs3,
  writeWccData,
} from '../codec.ts';
import type { Diropargs3, WccData } from '../types.ts';
import type { ProcedureCodec, Result } from './procedure.ts';

/** REMOVE, RFC 1813 section 3.3.12. */
export interface RemoveArgs {
  readonly object: Diropargs3;
}
interface RemoveBody {
  readonly dirWcc: WccData;
}
export type RemoveResult = Result<RemoveBody, RemoveBody>;

export const remove: ProcedureCodec<RemoveArgs, RemoveResult> = {
  number: 12,
  idempotent: false,
  readArgs: (r) => ({ object: readDiropargs3(r) }),
  writeArgs: (w, args) => writeDiropargs3(w, args.object),
  readResult(r) {
    const body = (): RemoveBody => ({ dirWcc: readWccData(r) });
    return readResult(r, body, body);
  },
  writeResult(w, result) {
    w.uint32(result.status);
    writeWccData(w, result.dirWcc);
  },
};
