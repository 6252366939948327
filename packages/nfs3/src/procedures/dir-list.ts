import type { XdrReader, XdrWriter } from '@rowfs/xdr';
import { readPostOpAttr, readResult, writePostOpAttr } from '../codec.ts';
import { Nfsstat3 } from '../status.ts';
import type { PostOpAttr, Verf3 } from '../types.ts';
import type { Result } from './procedure.ts';

/** What READDIR and READDIRPLUS answer: a page of entries. */
export type DirListResult<Entry> = Result<
  {
    readonly dirAttributes: PostOpAttr;
    readonly cookieverf: Verf3;
    readonly entries: readonly Entry[];
    /** The last entry is the last of the directory. */
    readonly eof: boolean;
  },
  { readonly dirAttributes: PostOpAttr }
>;

/** How a page looks on the wire, where its entries are a linked list, given how one entry does. */
export function dirList<Entry>(
  readEntry: (reader: XdrReader) => Entry,
  writeEntry: (writer: XdrWriter, entry: Entry) => void,
): {
  readResult(reader: XdrReader): DirListResult<Entry>;
  writeResult(writer: XdrWriter, result: DirListResult<Entry>): void;
} {
  return {
    readResult: (r) =>
      readResult(
        r,
        () => {
          const dirAttributes = readPostOpAttr(r);
          const cookieverf = r.uint64();
          const entries: Entry[] = [];
          while (r.bool()) entries.push(readEntry(r));
          return { dirAttributes, cookieverf, entries, eof: r.bool() };
        },
        () => ({ dirAttributes: readPostOpAttr(r) }),
      ),
    writeResult(w, result) {
      w.uint32(result.status);
      writePostOpAttr(w, result.dirAttributes);
      if (result.status !== Nfsstat3.OK) return;
      w.uint64(result.cookieverf);
      for (const entry of result.entries) {
        w.bool(true);
        writeEntry(w, entry);
      }
      w.bool(false);
      w.bool(result.eof);
    },
  };
}
