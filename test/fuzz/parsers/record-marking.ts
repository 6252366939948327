import { RpcError } from '@rowfs/oncrpc';
import fc from 'fast-check';
import {
  RecordAssembler,
  RecordEncoder,
  type RpcRecord,
} from '../../../packages/oncrpc/src/record-marking.ts';
import { mustEqual, type Parser, unlessRefused } from '../parser.ts';

const MAX_RECORD_BYTES = 16 * 1024;
const MAX_CHUNK_BYTES = 64;

/** RFC 5531 section 11, of the server and the client: what comes out may not depend on the chunks. */
export const recordMarking: Parser = {
  name: 'record-marking',
  description: 'the byte stream of ONC RPC, cut into records',
  seeds(seed) {
    const messages = fc.array(fc.uint8Array({ maxLength: 300, size: 'max' }), { maxLength: 4 });
    return fc.sample(messages, { seed, numRuns: 20 }).map((stream) => {
      const encoder = new RecordEncoder();
      return Buffer.concat(stream.flatMap((each) => encoder.encode((w) => w.fixedOpaque(each))));
    });
  },
  /** The first byte is how large the chunks are, the others are the stream. */
  run(input) {
    const chunkBytes = 1 + ((input[0] ?? 0) % MAX_CHUNK_BYTES);
    const stream = input.subarray(1);
    const whole = recordsOf([stream]);
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < stream.length; at += chunkBytes) {
      chunks.push(stream.subarray(at, at + chunkBytes));
    }
    mustEqual(recordsOf(chunks), whole, 'the same records, however the stream arrives');
  },
};

function recordsOf(chunks: readonly Uint8Array[]): string[] {
  const assembler = new RecordAssembler(MAX_RECORD_BYTES);
  const records: string[] = [];
  const take = (record: RpcRecord): void => {
    records.push(Buffer.concat(record).toString('hex'));
  };
  unlessRefused([RpcError], () => {
    for (const chunk of chunks) assembler.push(chunk, take);
  });
  return records;
}
