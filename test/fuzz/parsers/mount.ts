import fc from 'fast-check';
import { mountProcedures } from '../../../packages/nfs3/src/mount/table.ts';
import {
  dirpath,
  exportEntry,
  mountEntry,
  mountResult,
} from '../../../packages/nfs3/src/test-support/arbitraries.ts';
import type { Parser } from '../parser.ts';
import { argsCodec, checkCodec, codecSeeds, resultCodec } from './procedure-codec.ts';

const { mnt, dump, umnt, export: exportList } = mountProcedures;
const codecs = [
  argsCodec(mnt, dirpath),
  argsCodec(umnt, dirpath),
  resultCodec(mnt, mountResult),
  resultCodec(dump, fc.array(mountEntry, { maxLength: 5 })),
  resultCodec(exportList, fc.array(exportEntry, { maxLength: 5 })),
];

export const mount: Parser = {
  name: 'mount',
  description: 'arguments and results of MOUNT version 3',
  seeds: (seed) => codecSeeds(codecs, seed),
  run: (input) => checkCodec(codecs, input),
};
