import {
  readEnum,
  readFilehandle,
  readResult,
  readWccData,
  writeFilehandle,
  writeWccData,
} from '../codec.ts';
import { Nfsstat3 } from '../status.ts';
import { type Filehandle, StableHow, type Verf3, type WccData } from '../types.ts';
import { readPayload } from './payload.ts';
import type { ProcedureCodec, Result } from './procedure.ts';

/** WRITE, RFC 1813 section 3.3.7: `data` in order, together `count` bytes, to byte `offset`. */
export interface WriteArgs {
  readonly file: Filehandle;
  readonly offset: number;
  readonly count: number;
  readonly stable: StableHow;
  readonly data: readonly Uint8Array[];
}
export type WriteResult = Result<
  {
    readonly fileWcc: WccData;
    readonly count: number;
    readonly committed: StableHow;
    readonly verf: Verf3;
  },
  { readonly fileWcc: WccData }
>;

const stableHows = new Set(Object.values(StableHow));

export const write: ProcedureCodec<WriteArgs, WriteResult> = {
  number: 7,
  // Writing the same bytes again changes nothing: no reply need be kept, and none of these is small.
  idempotent: true,
  readArgs(r) {
    const file = readFilehandle(r);
    const offset = r.uint53();
    const count = r.uint32();
    const stable = readEnum(r, stableHows);
    return { file, offset, count, stable, data: readPayload(r, count) };
  },
  writeArgs(w, args) {
    writeFilehandle(w, args.file);
    w.uint53(args.offset);
    w.uint32(args.count);
    w.uint32(args.stable);
    w.opaqueParts(args.data);
  },
  readResult: (r) =>
    readResult(
      r,
      () => ({
        fileWcc: readWccData(r),
        count: r.uint32(),
        committed: readEnum(r, stableHows),
        verf: r.uint64(),
      }),
      () => ({ fileWcc: readWccData(r) }),
    ),
  writeResult(w, result) {
    w.uint32(result.status);
    writeWccData(w, result.fileWcc);
    if (result.status !== Nfsstat3.OK) return;
    w.uint32(result.count);
    w.uint32(result.committed);
    w.uint64(result.verf);
  },
};
