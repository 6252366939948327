import { createPortmapper, NO_CREDENTIAL, type RpcProcedure } from '@rowfs/oncrpc';
import { XdrError, XdrReader, XdrWriter } from '@rowfs/xdr';
import fc from 'fast-check';
import { mustHold, type Parser } from '../parser.ts';

const NFS_PORT = 2049;
const program = createPortmapper([
  { program: 100_003, version: 3, protocol: 'tcp', port: NFS_PORT },
  { program: 100_005, version: 3, protocol: 'udp', port: NFS_PORT },
]);
const context = {
  credential: NO_CREDENTIAL,
  signal: new AbortController().signal,
  peer: { address: '127.0.0.1', port: 700 },
};

/** RFC 1833 section 3. The first byte of an input picks the procedure. */
export const portmap: Parser = {
  name: 'portmap',
  description: 'the arguments of the portmapper, version 2',
  seeds(seed) {
    const word = fc.constantFrom(0, 3, 6, 17, 100_003, 100_005, 0xffff_ffff);
    const mappings = fc.tuple(fc.nat({ max: 1 }), word, word, word, word);
    return fc.sample(mappings, { seed, numRuns: 20 }).map(([procedure, ...words]) => {
      const writer = new XdrWriter(Buffer.alloc(64));
      for (const each of procedure === 0 ? words : []) writer.uint32(each);
      return Buffer.concat([Uint8Array.of(procedure), ...writer.finish()]);
    });
  },
  async run(input) {
    const procedures = [...program.procedures.values()];
    const procedure = procedures[(input[0] ?? 0) % procedures.length];
    if (procedure === undefined) return;
    const results = await resultsOf(procedure, input.subarray(1));
    if (procedure.name !== 'GETPORT' || results === undefined) return;
    const port = results.uint32();
    results.end();
    mustHold(port === 0 || port === NFS_PORT, 'GETPORT knows only ports it was given');
  },
};

async function resultsOf(
  procedure: RpcProcedure,
  args: Uint8Array,
): Promise<XdrReader | undefined> {
  try {
    const writeResults = await procedure.call(new XdrReader(args), context);
    const writer = new XdrWriter();
    writeResults(writer);
    return new XdrReader(writer.finish());
  } catch (error) {
    if (error instanceof XdrError) return undefined;
    throw error;
  }
}
