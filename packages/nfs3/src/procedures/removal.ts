import {
  readDiropargs3,
  readResult,
  readWccData,
  writeDiropargs3,
  writeWccData,
} from '../codec.ts';
import type { Diropargs3, WccData } from '../types.ts';
import type { ProcedureCodec, Result } from './procedure.ts';

/** What REMOVE and RMDIR both take: the name that is to go. */
export interface RemovalArgs {
  readonly object: Diropargs3;
}
interface RemovalBody {
  readonly dirWcc: WccData;
}
/** What both answer, in success and in failure. */
export type RemovalResult = Result<RemovalBody, RemovalBody>;

export function removal(number: number): ProcedureCodec<RemovalArgs, RemovalResult> {
  return {
    number,
    idempotent: false,
    readArgs: (r) => ({ object: readDiropargs3(r) }),
    writeArgs: (w, args) => writeDiropargs3(w, args.object),
    readResult(r) {
      const body = (): RemovalBody => ({ dirWcc: readWccData(r) });
      return readResult(r, body, body);
    },
    writeResult(w, result) {
      w.uint32(result.status);
      writeWccData(w, result.dirWcc);
    },
  };
}
