import { readDiropargs3, readSattr3, writeDiropargs3, writeSattr3 } from '../codec.ts';
import type { Diropargs3, Sattr3 } from '../types.ts';
import { readNewObject, type NewObjectResult, writeNewObject } from './new-object.ts';
import type { ProcedureCodec } from './procedure.ts';

/** MKDIR, RFC 1813 section 3.3.9. */
export interface MkdirArgs {
  readonly where: Diropargs3;
  readonly attributes: Sattr3;
}
export type MkdirResult = NewObjectResult;

export const mkdir: ProcedureCodec<MkdirArgs, MkdirResult> = {
  number: 9,
  idempotent: false,
  readArgs: (r) => ({ where: readDiropargs3(r), attributes: readSattr3(r) }),
  writeArgs(w, args) {
    writeDiropargs3(w, args.where);
    writeSattr3(w, args.attributes);
  },
  readResult: readNewObject,
  writeResult: writeNewObject,
};
