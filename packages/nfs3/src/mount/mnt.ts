import type { Filehandle } from '../types.ts';
import type { Mountstat3, Mountstat3Error } from '../status.ts';

/** mountres3, RFC 1813 appendix I section 5.2.1. */
export type MountResult =
  | {
      readonly status: typeof Mountstat3.OK;
      readonly handle: Filehandle;
      readonly authFlavors: readonly number[];
    }
  | { readonly status: Mountstat3Error };
