import type { ProcedureCodec } from '../procedures/procedure.ts';
import {
  type Dirpath,
  MNTNAMLEN,
  readDirpath,
  readList,
  writeDirpath,
  writeList,
} from './types.ts';

/** exportnode: a path that may be mounted, and by which groups; by everybody when none is named. */
export interface ExportEntry {
  readonly directory: Dirpath;
  readonly groups: readonly string[];
}

/** EXPORT, RFC 1813 appendix I section 5.2.5. */
export const exportList: ProcedureCodec<void, readonly ExportEntry[]> = {
  number: 5,
  idempotent: true,
  readArgs: () => undefined,
  writeArgs: () => undefined,
  readResult: (r) =>
    readList(r, () => ({
      directory: readDirpath(r),
      groups: readList(r, () => r.string(MNTNAMLEN)),
    })),
  writeResult: (w, entries) =>
    writeList(w, entries, (_, entry) => {
      writeDirpath(w, entry.directory);
      writeList(w, entry.groups, (_, group) => w.string(group));
    }),
};
