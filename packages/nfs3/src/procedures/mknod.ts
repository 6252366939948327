import type { XdrReader, XdrWriter } from '@rowfs/xdr';
import {
  readDiropargs3,
  readFtype3,
  readSattr3,
  readSpecdata3,
  writeDiropargs3,
  writeSattr3,
  writeSpecdata3,
} from '../codec.ts';
import { type Diropargs3, Ftype3, type Sattr3, type Specdata3 } from '../types.ts';
import { readNewObject, type NewObjectResult, writeNewObject } from './new-object.ts';
import type { ProcedureCodec } from './procedure.ts';

/** mknoddata3: devices have numbers, sockets and fifos do not, other types have nothing. */
export type Mknoddata3 =
  | {
      readonly type: typeof Ftype3.CHR | typeof Ftype3.BLK;
      readonly attributes: Sattr3;
      readonly spec: Specdata3;
    }
  | { readonly type: typeof Ftype3.SOCK | typeof Ftype3.FIFO; readonly attributes: Sattr3 }
  | { readonly type: typeof Ftype3.REG | typeof Ftype3.DIR | typeof Ftype3.LNK };

/** MKNOD, RFC 1813 section 3.3.11. */
export interface MknodArgs {
  readonly where: Diropargs3;
  readonly what: Mknoddata3;
}
export type MknodResult = NewObjectResult;

function readMknoddata3(r: XdrReader): Mknoddata3 {
  const type = readFtype3(r);
  switch (type) {
    case Ftype3.CHR:
    case Ftype3.BLK:
      return { type, attributes: readSattr3(r), spec: readSpecdata3(r) };
    case Ftype3.SOCK:
    case Ftype3.FIFO:
      return { type, attributes: readSattr3(r) };
    case Ftype3.REG:
    case Ftype3.DIR:
    case Ftype3.LNK:
      return { type };
  }
}

function writeMknoddata3(w: XdrWriter, what: Mknoddata3): void {
  w.uint32(what.type);
  if ('attributes' in what) writeSattr3(w, what.attributes);
  if ('spec' in what) writeSpecdata3(w, what.spec);
}

export const mknod: ProcedureCodec<MknodArgs, MknodResult> = {
  number: 11,
  idempotent: false,
  readArgs: (r) => ({ where: readDiropargs3(r), what: readMknoddata3(r) }),
  writeArgs(w, args) {
    writeDiropargs3(w, args.where);
    writeMknoddata3(w, args.what);
  },
  readResult: readNewObject,
  writeResult: writeNewObject,
};
