import { readDiropargs3, readNfspath, readSattr3, writeDiropargs3, writeSattr3 } from '../codec.ts';
import type { Diropargs3, Nfspath, Sattr3 } from '../types.ts';
import { readNewObject, type NewObjectResult, writeNewObject } from './new-object.ts';
import type { ProcedureCodec } from './procedure.ts';

/** SYMLINK, RFC 1813 section 3.3.10. */
export interface SymlinkArgs {
  readonly where: Diropargs3;
  readonly symlinkAttributes: Sattr3;
  readonly symlinkData: Nfspath;
}
export type SymlinkResult = NewObjectResult;

export const symlink: ProcedureCodec<SymlinkArgs, SymlinkResult> = {
  number: 10,
  idempotent: false,
  readArgs: (r) => ({
    where: readDiropargs3(r),
    symlinkAttributes: readSattr3(r),
    symlinkData: readNfspath(r),
  }),
  writeArgs(w, args) {
    writeDiropargs3(w, args.where);
    writeSattr3(w, args.symlinkAttributes);
    w.string(args.symlinkData);
  },
  readResult: readNewObject,
  writeResult: writeNewObject,
};
