import {
  readDiropargs3,
  readFilehandle,
  readPostOpAttr,
  readResult,
  readWccData,
  writeDiropargs3,
  writeFilehandle,
  writePostOpAttr,
  writeWccData,
} from '../codec.ts';
import type { Diropargs3, Filehandle, PostOpAttr, WccData } from '../types.ts';
import type { ProcedureCodec, Result } from './procedure.ts';

/** LINK, RFC 1813 section 3.3.15. */
export interface LinkArgs {
  readonly file: Filehandle;
  readonly link: Diropargs3;
}
interface LinkBody {
  readonly fileAttributes: PostOpAttr;
  readonly linkdirWcc: WccData;
}
export type LinkResult = Result<LinkBody, LinkBody>;

export const link: ProcedureCodec<LinkArgs, LinkResult> = {
  number: 15,
  idempotent: false,
  readArgs: (r) => ({ file: readFilehandle(r), link: readDiropargs3(r) }),
  writeArgs(w, args) {
    writeFilehandle(w, args.file);
    writeDiropargs3(w, args.link);
  },
  readResult(r) {
    const body = (): LinkBody => ({
      fileAttributes: readPostOpAttr(r),
      linkdirWcc: readWccData(r),
    });
    return readResult(r, body, body);
  },
  writeResult(w, result) {
    w.uint32(result.status);
    writePostOpAttr(w, result.fileAttributes);
    writeWccData(w, result.linkdirWcc);
  },
};
