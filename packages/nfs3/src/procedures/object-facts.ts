import type { XdrReader, XdrWriter } from '@rowfs/xdr';
import { readPostOpAttr, readResult, writePostOpAttr } from '../codec.ts';
import { Nfsstat3 } from '../status.ts';
import type { PostOpAttr } from '../types.ts';
import type { Result } from './procedure.ts';

interface WithAttributes {
  readonly objAttributes: PostOpAttr;
}

/** What FSSTAT, FSINFO and PATHCONF answer: facts, behind the object's attributes. */
export type ObjectFactsResult<Facts> = Result<Facts & WithAttributes, WithAttributes>;

/** How such a result looks on the wire, given how its facts do. */
export function objectFacts<Facts extends object>(
  readFacts: (reader: XdrReader) => Facts,
  writeFacts: (writer: XdrWriter, facts: Facts) => void,
): {
  readResult(reader: XdrReader): ObjectFactsResult<Facts>;
  writeResult(writer: XdrWriter, result: ObjectFactsResult<Facts>): void;
} {
  return {
    readResult: (r) =>
      readResult(
        r,
        () => ({ objAttributes: readPostOpAttr(r), ...readFacts(r) }),
        () => ({ objAttributes: readPostOpAttr(r) }),
      ),
    writeResult(w, result) {
      w.uint32(result.status);
      writePostOpAttr(w, result.objAttributes);
      if (result.status === Nfsstat3.OK) writeFacts(w, result);
    },
  };
}
