import { readFilehandle, writeFilehandle } from '../codec.ts';
import type { Filehandle } from '../types.ts';
import { objectFacts, type ObjectFactsResult } from './object-facts.ts';
import type { ProcedureCodec } from './procedure.ts';

/** FSSTAT, RFC 1813 section 3.3.18. */
export interface FsstatArgs {
  readonly fsroot: Filehandle;
}
/** Total, free, and free to the caller, of bytes and of file slots; seconds it stays true. */
export interface Fsstat {
  readonly tbytes: bigint;
  readonly fbytes: bigint;
  readonly abytes: bigint;
  readonly tfiles: bigint;
  readonly ffiles: bigint;
  readonly afiles: bigint;
  readonly invarsec: number;
}
export type FsstatResult = ObjectFactsResult<Fsstat>;

export const fsstat: ProcedureCodec<FsstatArgs, FsstatResult> = {
  number: 18,
  idempotent: true,
  readArgs: (r) => ({ fsroot: readFilehandle(r) }),
  writeArgs: (w, args) => writeFilehandle(w, args.fsroot),
  ...objectFacts<Fsstat>(
    (r) => ({
      tbytes: r.uint64(),
      fbytes: r.uint64(),
      abytes: r.uint64(),
      tfiles: r.uint64(),
      ffiles: r.uint64(),
      afiles: r.uint64(),
      invarsec: r.uint32(),
    }),
    (w, facts) => {
      w.uint64(facts.tbytes);
      w.uint64(facts.fbytes);
      w.uint64(facts.abytes);
      w.uint64(facts.tfiles);
      w.uint64(facts.ffiles);
      w.uint64(facts.afiles);
      w.uint32(facts.invarsec);
    },
  ),
};
