import type { XdrReader, XdrWriter } from '@rowfs/xdr';
import type { Nfsstat3, Nfsstat3Error } from '../status.ts';

/** A result: `Ok` comes with status OK, `Failed` with every other status, as the RFC has it. */
export type Result<Ok, Failed = object> =
  ({ readonly status: typeof Nfsstat3.OK } & Ok) | ({ readonly status: Nfsstat3Error } & Failed);

/** How one procedure of RFC 1813 section 3.3 looks on the wire. */
export interface ProcedureCodec<Args, Res> {
  readonly number: number;
  /** False when running it twice is not the same as once: its replies are kept for re-sent calls. */
  readonly idempotent: boolean;
  readonly readArgs: (reader: XdrReader) => Args;
  readonly writeArgs: (writer: XdrWriter, args: Args) => void;
  readonly readResult: (reader: XdrReader) => Res;
  readonly writeResult: (writer: XdrWriter, result: Res) => void;
}

/** The most bytes that one READ or WRITE may carry here; FSINFO tells it to clients. */
export const MAX_TRANSFER_BYTES = 1024 * 1024;
