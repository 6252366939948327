import type { ProcedureCodec } from '../procedures/procedure.ts';

/** UMNTALL, RFC 1813 appendix I section 5.2.4: the caller has unmounted everything. */
export const umntall: ProcedureCodec<void, void> = {
  number: 4,
  idempotent: true,
  readArgs: () => undefined,
  writeArgs: () => undefined,
  readResult: () => undefined,
  writeResult: () => undefined,
};
