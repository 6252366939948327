import {
  readFilehandle,
  readNfstime3,
  readResult,
  readSattr3,
  readWccData,
  writeFilehandle,
  writeNfstime3,
  writeSattr3,
  writeWccData,
} from '../codec.ts';
import type { Filehandle, Nfstime3, Sattr3, WccData } from '../types.ts';
import type { ProcedureCodec, Result } from './procedure.ts';

/** SETATTR, RFC 1813 section 3.3.2. `guard`: change only if this is still the object's ctime. */
export interface SetattrArgs {
  readonly object: Filehandle;
  readonly newAttributes: Sattr3;
  readonly guard: Nfstime3 | undefined;
}
interface SetattrBody {
  readonly objWcc: WccData;
}
export type SetattrResult = Result<SetattrBody, SetattrBody>;

export const setattr: ProcedureCodec<SetattrArgs, SetattrResult> = {
  number: 2,
  idempotent: false,
  readArgs: (r) => ({
    object: readFilehandle(r),
    newAttributes: readSattr3(r),
    guard: r.optional(readNfstime3),
  }),
  writeArgs(w, args) {
    writeFilehandle(w, args.object);
    writeSattr3(w, args.newAttributes);
    w.optional(args.guard, writeNfstime3);
  },
  readResult(r) {
    const body = (): SetattrBody => ({ objWcc: readWccData(r) });
    return readResult(r, body, body);
  },
  writeResult(w, result) {
    w.uint32(result.status);
    writeWccData(w, result.objWcc);
  },
};
