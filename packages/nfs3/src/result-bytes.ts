import { XdrReader, XdrWriter } from '@rowfs/xdr';
import { codecs, type ResultOf } from './every-procedure.ts';
import type { ProcedureName } from './procedures/table.ts';

/** Most results; taken from the pool, which is cheaper than memory of one's own. */
const SLAB_BYTES = 512;

/** A procedure's result as it stands in a reply, to be kept: nothing of it is by reference. */
export function resultBytes<P extends ProcedureName>(procedure: P, result: ResultOf<P>): Buffer {
  const writer = new XdrWriter(Buffer.allocUnsafe(SLAB_BYTES));
  codecs[procedure].writeResult(writer, result);
  return Buffer.concat(writer.finish());
}

/** The result that {@link resultBytes} made `bytes` of. @throws XdrError for bytes that are no such result. */
export function resultOfBytes<P extends ProcedureName>(procedure: P, bytes: Buffer): ResultOf<P> {
  const reader = new XdrReader(bytes);
  const result = codecs[procedure].readResult(reader);
  reader.end();
  return result;
}
