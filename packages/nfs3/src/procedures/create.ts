import { XdrError, type XdrReader, type XdrWriter } from '@rowfs/xdr';
import { readDiropargs3, readSattr3, writeDiropargs3, writeSattr3 } from '../codec.ts';
import type { Diropargs3, Sattr3, Verf3 } from '../types.ts';
import { readNewObject, type NewObjectResult, writeNewObject } from './new-object.ts';
import type { ProcedureCodec } from './procedure.ts';

/** createhow3: EXCLUSIVE carries a verifier by which a repeated CREATE is known (section 3.3.8). */
export type Createhow3 =
  | { readonly mode: 'unchecked' | 'guarded'; readonly objAttributes: Sattr3 }
  | { readonly mode: 'exclusive'; readonly verf: Verf3 };

/** CREATE, RFC 1813 section 3.3.8. */
export interface CreateArgs {
  readonly where: Diropargs3;
  readonly how: Createhow3;
}
export type CreateResult = NewObjectResult;

const modes = ['unchecked', 'guarded', 'exclusive'] as const;

function readCreatehow3(r: XdrReader): Createhow3 {
  const mode = modes[r.uint32()];
  if (mode === undefined) throw new XdrError('BAD_VALUE', 'no createmode3');
  return mode === 'exclusive' ? { mode, verf: r.uint64() } : { mode, objAttributes: readSattr3(r) };
}

function writeCreatehow3(w: XdrWriter, how: Createhow3): void {
  w.uint32(modes.indexOf(how.mode));
  if (how.mode === 'exclusive') w.uint64(how.verf);
  else writeSattr3(w, how.objAttributes);
}

export const create: ProcedureCodec<CreateArgs, CreateResult> = {
  number: 8,
  idempotent: false,
  readArgs: (r) => ({ where: readDiropargs3(r), how: readCreatehow3(r) }),
  writeArgs(w, args) {
    writeDiropargs3(w, args.where);
    writeCreatehow3(w, args.how);
  },
  readResult: readNewObject,
  writeResult: writeNewObject,
};
