import { readFilehandle, writeFilehandle } from '../codec.ts';
import type { Filehandle } from '../types.ts';
import { objectFacts, type ObjectFactsResult } from './object-facts.ts';
import type { ProcedureCodec } from './procedure.ts';

/** PATHCONF, RFC 1813 section 3.3.20. */
export interface PathconfArgs {
  readonly object: Filehandle;
}
export interface Pathconf {
  readonly linkmax: number;
  readonly nameMax: number;
  readonly noTrunc: boolean;
  readonly chownRestricted: boolean;
  readonly caseInsensitive: boolean;
  readonly casePreserving: boolean;
}
export type PathconfResult = ObjectFactsResult<Pathconf>;

export const pathconf: ProcedureCodec<PathconfArgs, PathconfResult> = {
  number: 20,
  idempotent: true,
  readArgs: (r) => ({ object: readFilehandle(r) }),
  writeArgs: (w, args) => writeFilehandle(w, args.object),
  ...objectFacts<Pathconf>(
    (r) => ({
      linkmax: r.uint32(),
      nameMax: r.uint32(),
      noTrunc: r.bool(),
      chownRestricted: r.bool(),
      caseInsensitive: r.bool(),
      casePreserving: r.bool(),
    }),
    (w, facts) => {
      w.uint32(facts.linkmax);
      w.uint32(facts.nameMax);
      w.bool(facts.noTrunc);
      w.bool(facts.chownRestricted);
      w.bool(facts.caseInsensitive);
      w.bool(facts.casePreserving);
    },
  ),
};
