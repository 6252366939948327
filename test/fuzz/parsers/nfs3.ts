import { type ProcedureCodec, procedureNames, procedures } from '@rowfs/nfs3';
import { argsOf, resultOf } from '../../../packages/nfs3/src/test-support/arbitraries.ts';
import type { Parser } from '../parser.ts';
import { argsCodec, checkCodec, codecSeeds, resultCodec } from './procedure-codec.ts';

type AnyCodec = ProcedureCodec<unknown, unknown>;

const argsCodecs = procedureNames.map((name) =>
  argsCodec(procedures[name] as AnyCodec, argsOf[name]),
);
const resultCodecs = procedureNames.map((name) =>
  resultCodec(procedures[name] as AnyCodec, resultOf[name]),
);

export const nfs3Args: Parser = {
  name: 'nfs3-args',
  description: 'the arguments of the NFSv3 procedures, which a server reads',
  seeds: (seed) => codecSeeds(argsCodecs, seed),
  run: (input) => checkCodec(argsCodecs, input),
};

export const nfs3Results: Parser = {
  name: 'nfs3-results',
  description: 'the results of the NFSv3 procedures, which a client reads',
  seeds: (seed) => codecSeeds(resultCodecs, seed),
  run: (input) => checkCodec(resultCodecs, input),
};
