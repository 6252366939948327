import { XdrError, type XdrReader } from '@rowfs/xdr';
import { MAX_TRANSFER_BYTES } from './procedure.ts';

/**
 * Reads the data of READ or WRITE, by reference. Its length stands in the message twice; a message
 * where `count` says otherwise is refused, so that nobody has to choose which one to believe.
 */
export function readPayload(reader: XdrReader, count: number): Uint8Array[] {
  const data = reader.opaqueParts(MAX_TRANSFER_BYTES);
  let length = 0;
  for (const part of data) length += part.length;
  if (length !== count) {
    throw new XdrError('BAD_VALUE', `${length} bytes of data where count says ${count}`);
  }
  return data;
}
