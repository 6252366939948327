import { type XdrReader, XdrWriter } from '@rowfs/xdr';
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

type WriteEntry<Entry> = (writer: XdrWriter, entry: Entry) => void;

const ENCODED = Symbol('the XDR of these entries');

/** Entries that may bring their XDR along. */
interface Entries<Entry> extends ReadonlyArray<Entry> {
  readonly [ENCODED]?: Uint8Array;
}

function writeEntries<Entry>(
  w: XdrWriter,
  entries: Entries<Entry>,
  writeEntry: WriteEntry<Entry>,
): void {
  const encoded = entries[ENCODED];
  if (encoded !== undefined) {
    w.fixedOpaque(encoded);
    return;
  }
  for (const entry of entries) {
    w.bool(true);
    writeEntry(w, entry);
  }
}

/**
 * A copy of a page's entries that is encoded once, and sent as it is from then on.
 *
 * @param bytes how many it takes.
 */
export function encodedEntries<Entry>(
  entries: readonly Entry[],
  writeEntry: WriteEntry<Entry>,
  bytes: number,
): readonly Entry[] {
  // Not from the pool: what is kept for long would keep other things in memory.
  const value = Buffer.allocUnsafeSlow(bytes);
  const writer = new XdrWriter(value);
  writeEntries(writer, entries, writeEntry);
  if (writer.length !== bytes) throw new RangeError(`entries take ${writer.length} bytes`);
  // Not enumerable: it is no part of what the entries say.
  return Object.defineProperty([...entries], ENCODED, { value });
}

/** How a page looks on the wire, where its entries are a linked list, given how one entry does. */
export function dirList<Entry>(
  readEntry: (reader: XdrReader) => Entry,
  writeEntry: WriteEntry<Entry>,
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
      writeEntries(w, result.entries, writeEntry);
      w.bool(false);
      w.bool(result.eof);
    },
  };
}
