import type { ProcedureCodec } from '../procedures/procedure.ts';
import {
  type Dirpath,
  MNTNAMLEN,
  readDirpath,
  readList,
  writeDirpath,
  writeList,
} from './types.ts';

/** mountbody: who has mounted what, as far as the server was told. */
export interface MountEntry {
  readonly hostname: string;
  readonly directory: Dirpath;
}

/** DUMP, RFC 1813 appendix I section 5.2.2. */
export const dump: ProcedureCodec<void, readonly MountEntry[]> = {
  number: 2,
  idempotent: true,
  readArgs: () => undefined,
  writeArgs: () => undefined,
  readResult: (r) =>
    readList(r, () => ({ hostname: r.string(MNTNAMLEN), directory: readDirpath(r) })),
  writeResult: (w, entries) =>
    writeList(w, entries, (_, entry) => {
      w.string(entry.hostname);
      writeDirpath(w, entry.directory);
    }),
};
