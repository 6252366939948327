import {
  readFilehandle,
  readPostOpAttr,
  readResult,
  writeFilehandle,
  writePostOpAttr,
} from '../codec.ts';
import { Nfsstat3 } from '../status.ts';
import type { Filehandle, PostOpAttr } from '../types.ts';
import { readPayload } from './payload.ts';
import type { ProcedureCodec, Result } from './procedure.ts';

/** READ, RFC 1813 section 3.3.6: at most `count` bytes from byte `offset`. */
export interface ReadArgs {
  readonly file: Filehandle;
  readonly offset: number;
  readonly count: number;
}
export type ReadResult = Result<
  {
    readonly fileAttributes: PostOpAttr;
    readonly count: number;
    readonly eof: boolean;
    /** The bytes in order, in as many parts as is cheap; never copied on their way. */
    readonly data: readonly Uint8Array[];
  },
  { readonly fileAttributes: PostOpAttr }
>;

export const read: ProcedureCodec<ReadArgs, ReadResult> = {
  number: 6,
  idempotent: true,
  readArgs: (r) => ({ file: readFilehandle(r), offset: r.uint53(), count: r.uint32() }),
  writeArgs(w, args) {
    writeFilehandle(w, args.file);
    w.uint53(args.offset);
    w.uint32(args.count);
  },
  readResult: (r) =>
    readResult(
      r,
      () => {
        const fileAttributes = readPostOpAttr(r);
        const count = r.uint32();
        const eof = r.bool();
        return { fileAttributes, count, eof, data: readPayload(r, count) };
      },
      () => ({ fileAttributes: readPostOpAttr(r) }),
    ),
  writeResult(w, result) {
    w.uint32(result.status);
    writePostOpAttr(w, result.fileAttributes);
    if (result.status !== Nfsstat3.OK) return;
    w.uint32(result.count);
    w.bool(result.eof);
    w.opaqueParts(result.data);
  },
};
