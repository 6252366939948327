import {
  readDiropargs3,
  readResult,
  readWccData,
  writeDiropargs3,
  writeWccData,
} from '../codec.ts';
import type { Diropargs3, WccData } from '../types.ts';
import type { ProcedureCodec, Result } from './procedure.ts';

/** RMDIR, RFC 1813 section 3.3.13. */
export interface RmdirArgs {
  readonly object: Diropargs3;
}
interface RmdirBody {
  readonly dirWcc: WccData;
}
export type RmdirResult = Result<RmdirBody, RmdirBody>;

export const rmdir: ProcedureCodec<RmdirArgs, RmdirResult> = {
  number: 13,
  idempotent: false,
  readArgs: (r) => ({ object: readDiropargs3(r) }),
  writeArgs: (w, args) => writeDiropargs3(w, args.object),
  readResult(r) {
    const body = (): RmdirBody => ({ dirWcc: readWccData(r) });
    return readResult(r, body, body);
  },
  writeResult(w, result) {
    w.uint32(result.status);
    writeWccData(w, result.dirWcc);
  },
};
