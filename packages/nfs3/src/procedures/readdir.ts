import { paddingOf, type XdrReader, type XdrWriter } from '@rowfs/xdr';
import { readFilehandle, readFilename, writeFilehandle } from '../codec.ts';
import type { Filehandle, Filename, Verf3 } from '../types.ts';
import { dirList, type DirListResult } from './dir-list.ts';
import type { ProcedureCodec } from './procedure.ts';

/** READDIR, RFC 1813 section 3.3.16: entries after `cookie`, at most `count` bytes of result. */
export interface ReaddirArgs {
  readonly dir: Filehandle;
  readonly cookie: bigint;
  readonly cookieverf: Verf3;
  readonly count: number;
}
/** entry3. `cookie` is where a later call goes on, after this entry. */
export interface DirEntry {
  readonly fileid: bigint;
  readonly name: Filename;
  readonly cookie: bigint;
}
export type ReaddirResult = DirListResult<DirEntry>;

/** Bytes of a READDIR result without its entries: status, attributes, verifier, end of list, eof. */
export const READDIR_OVERHEAD_BYTES = 4 + 88 + 8 + 4 + 4;

/** Bytes that an entry of this name takes in a READDIR result. */
export function dirEntryBytes(name: Filename): number {
  return 4 + 8 + 4 + name.length + paddingOf(name.length) + 8;
}

function readEntry(r: XdrReader): DirEntry {
  return { fileid: r.uint64(), name: readFilename(r), cookie: r.uint64() };
}

function writeEntry(w: XdrWriter, entry: DirEntry): void {
  w.uint64(entry.fileid);
  w.string(entry.name);
  w.uint64(entry.cookie);
}

export const readdir: ProcedureCodec<ReaddirArgs, ReaddirResult> = {
  number: 16,
  idempotent: true,
  readArgs: (r) => ({
    dir: readFilehandle(r),
    cookie: r.uint64(),
    cookieverf: r.uint64(),
    count: r.uint32(),
  }),
  writeArgs(w, args) {
    writeFilehandle(w, args.dir);
    w.uint64(args.cookie);
    w.uint64(args.cookieverf);
    w.uint32(args.count);
  },
  ...dirList(readEntry, writeEntry),
};
