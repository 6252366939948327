import type { XdrReader, XdrWriter } from '@rowfs/xdr';
import {
  readPostOpAttr,
  readPostOpFh,
  readResult,
  readWccData,
  writePostOpAttr,
  writePostOpFh,
  writeWccData,
} from '../codec.ts';
import { Nfsstat3 } from '../status.ts';
import type { Filehandle, PostOpAttr, WccData } from '../types.ts';
import type { Result } from './procedure.ts';

/** What CREATE, MKDIR, SYMLINK and MKNOD all answer. */
export type NewObjectResult = Result<
  {
    readonly obj: Filehandle | undefined;
    readonly objAttributes: PostOpAttr;
    readonly dirWcc: WccData;
  },
  { readonly dirWcc: WccData }
>;

export function readNewObject(r: XdrReader): NewObjectResult {
  return readResult(
    r,
    () => ({ obj: readPostOpFh(r), objAttributes: readPostOpAttr(r), dirWcc: readWccData(r) }),
    () => ({ dirWcc: readWccData(r) }),
  );
}

export function writeNewObject(w: XdrWriter, result: NewObjectResult): void {
  w.uint32(result.status);
  if (result.status === Nfsstat3.OK) {
    writePostOpFh(w, result.obj);
    writePostOpAttr(w, result.objAttributes);
  }
  writeWccData(w, result.dirWcc);
}
