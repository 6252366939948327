import { paddingOf, type XdrReader, type XdrWriter } from '@rowfs/xdr';
import {
  readFilehandle,
  readFilename,
  readPostOpAttr,
  readPostOpFh,
  writeFilehandle,
  writePostOpAttr,
  writePostOpFh,
} from '../codec.ts';
import type { Filehandle, PostOpAttr, Verf3 } from '../types.ts';
import { dirList, type DirListResult, encodedEntries } from './dir-list.ts';
import type { ProcedureCodec } from './procedure.ts';
import { type DirEntry, dirEntryBytes } from './readdir.ts';

/**
 * READDIRPLUS, RFC 1813 section 3.3.17. `dircount` limits the bytes of names, cookies and fileids,
 * `maxcount` those of the whole result.
 */
export interface ReaddirplusArgs {
  readonly dir: Filehandle;
  readonly cookie: bigint;
  readonly cookieverf: Verf3;
  readonly dircount: number;
  readonly maxcount: number;
}
/** entryplus3. */
export interface DirEntryPlus extends DirEntry {
  readonly nameAttributes: PostOpAttr;
  readonly nameHandle: Filehandle | undefined;
}
export type ReaddirplusResult = DirListResult<DirEntryPlus>;

/** Bytes that an entry takes in a READDIRPLUS result. */
export function dirEntryPlusBytes(entry: DirEntryPlus): number {
  const attributes = entry.nameAttributes === undefined ? 4 : 88;
  const handle = entry.nameHandle?.length;
  return (
    dirEntryBytes(entry.name) +
    attributes +
    (handle === undefined ? 4 : 8 + handle + paddingOf(handle))
  );
}

function readEntry(r: XdrReader): DirEntryPlus {
  return {
    fileid: r.uint64(),
    name: readFilename(r),
    cookie: r.uint64(),
    nameAttributes: readPostOpAttr(r),
    nameHandle: readPostOpFh(r),
  };
}

function writeEntry(w: XdrWriter, entry: DirEntryPlus): void {
  w.uint64(entry.fileid);
  w.string(entry.name);
  w.uint64(entry.cookie);
  writePostOpAttr(w, entry.nameAttributes);
  writePostOpFh(w, entry.nameHandle);
}

/** A copy of a page's entries that is encoded once: for a service that gives a page again and again. */
export function encodedEntriesPlus(entries: readonly DirEntryPlus[]): readonly DirEntryPlus[] {
  let bytes = 0;
  for (const entry of entries) bytes += dirEntryPlusBytes(entry);
  return encodedEntries(entries, writeEntry, bytes);
}

export const readdirplus: ProcedureCodec<ReaddirplusArgs, ReaddirplusResult> = {
  number: 17,
  idempotent: true,
  readArgs: (r) => ({
    dir: readFilehandle(r),
    cookie: r.uint64(),
    cookieverf: r.uint64(),
    dircount: r.uint32(),
    maxcount: r.uint32(),
  }),
  writeArgs(w, args) {
    writeFilehandle(w, args.dir);
    w.uint64(args.cookie);
    w.uint64(args.cookieverf);
    w.uint32(args.dircount);
    w.uint32(args.maxcount);
  },
  ...dirList(readEntry, writeEntry),
};
