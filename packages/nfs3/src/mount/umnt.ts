import type { ProcedureCodec } from '../procedures/procedure.ts';
import { type Dirpath, readDirpath, writeDirpath } from './types.ts';

/** UMNT, RFC 1813 appendix I section 5.2.3: the caller has unmounted a path. */
export const umnt: ProcedureCodec<Dirpath, void> = {
  number: 3,
  idempotent: true,
  readArgs: readDirpath,
  writeArgs: writeDirpath,
  readResult: () => undefined,
  writeResult: () => undefined,
};
