import { readFilehandle, readNfstime3, writeNfstime3, writeFilehandle } from '../codec.ts';
import type { Filehandle, Nfstime3 } from '../types.ts';
import { objectFacts, type ObjectFactsResult } from './object-facts.ts';
import type { ProcedureCodec } from './procedure.ts';

/** FSINFO, RFC 1813 section 3.3.19. */
export interface FsinfoArgs {
  readonly fsroot: Filehandle;
}
/** Transfer sizes and file size in bytes; `properties` is a set of {@link FsinfoProperties}. */
export interface Fsinfo {
  readonly rtmax: number;
  readonly rtpref: number;
  readonly rtmult: number;
  readonly wtmax: number;
  readonly wtpref: number;
  readonly wtmult: number;
  readonly dtpref: number;
  readonly maxfilesize: bigint;
  readonly timeDelta: Nfstime3;
  readonly properties: number;
}
export type FsinfoResult = ObjectFactsResult<Fsinfo>;

export const fsinfo: ProcedureCodec<FsinfoArgs, FsinfoResult> = {
  number: 19,
  idempotent: true,
  readArgs: (r) => ({ fsroot: readFilehandle(r) }),
  writeArgs: (w, args) => writeFilehandle(w, args.fsroot),
  ...objectFacts<Fsinfo>(
    (r) => ({
      rtmax: r.uint32(),
      rtpref: r.uint32(),
      rtmult: r.uint32(),
      wtmax: r.uint32(),
      wtpref: r.uint32(),
      wtmult: r.uint32(),
      dtpref: r.uint32(),
      maxfilesize: r.uint64(),
      timeDelta: readNfstime3(r),
      properties: r.uint32(),
    }),
    (w, facts) => {
      w.uint32(facts.rtmax);
      w.uint32(facts.rtpref);
      w.uint32(facts.rtmult);
      w.uint32(facts.wtmax);
      w.uint32(facts.wtpref);
      w.uint32(facts.wtmult);
      w.uint32(facts.dtpref);
      w.uint64(facts.maxfilesize);
      writeNfstime3(w, facts.timeDelta);
      w.uint32(facts.properties);
    },
  ),
};
