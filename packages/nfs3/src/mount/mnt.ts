import { XdrError } from '@rowfs/xdr';
import { readEnum, readFilehandle, writeFilehandle } from '../codec.ts';
import type { ProcedureCodec } from '../procedures/procedure.ts';
import { Mountstat3, type Mountstat3Error } from '../status.ts';
import type { Filehandle } from '../types.ts';
import { type Dirpath, readDirpath, writeDirpath } from './types.ts';

/** mountres3, RFC 1813 appendix I section 5.2.1. */
export type MountResult =
  | {
      readonly status: typeof Mountstat3.OK;
      readonly handle: Filehandle;
      readonly authFlavors: readonly number[];
    }
  | { readonly status: Mountstat3Error };

/** A server knows a handful of flavors; this is where a list of them stops being one. */
const MAX_AUTH_FLAVORS = 64;

const statuses = new Set(Object.values(Mountstat3));

/** MNT, section 5.2.1: the handle of the directory at a path. */
export const mnt: ProcedureCodec<Dirpath, MountResult> = {
  number: 1,
  idempotent: true,
  readArgs: readDirpath,
  writeArgs: writeDirpath,
  readResult(r) {
    const status = readEnum(r, statuses);
    if (status !== Mountstat3.OK) return { status };
    const handle = readFilehandle(r);
    const count = r.uint32();
    if (count > MAX_AUTH_FLAVORS) throw new XdrError('TOO_LONG', `${count} auth flavors`);
    return { status, handle, authFlavors: Array.from({ length: count }, () => r.uint32()) };
  },
  writeResult(w, result) {
    w.uint32(result.status);
    if (result.status !== Mountstat3.OK) return;
    writeFilehandle(w, result.handle);
    w.uint32(result.authFlavors.length);
    for (const flavor of result.authFlavors) w.uint32(flavor);
  },
};
