import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { XdrReader, XdrWriter } from '@rowfs/xdr';

const CALL = 0;
const RPC_VERSION = 2;
const AUTH_NONE = [0, 0];
const ACCEPT_STATUSES = ['SUCCESS', 'PROG_UNAVAIL'];

/** One call in a datagram, as a client without a credential sends it, and its reply (RFC 5531). */
export async function callOverUdp(
  { host, port }: { readonly host: string; readonly port: number },
  call: { readonly program: number; readonly version: number; readonly procedure: number },
  writeArgs: (writer: XdrWriter) => void = () => undefined,
): Promise<{ status: string | undefined; results: XdrReader }> {
  const writer = new XdrWriter();
  const { program, version, procedure } = call;
  const xid = 4711;
  for (const word of [xid, CALL, RPC_VERSION, program, version, procedure]) writer.uint32(word);
  for (const word of [...AUTH_NONE, ...AUTH_NONE]) writer.uint32(word);
  writeArgs(writer);
  const socket = createSocket('udp4');
  try {
    socket.send(Buffer.concat(writer.finish()), port, host);
    const [datagram] = (await once(socket, 'message')) as [Buffer];
    const results = new XdrReader(datagram);
    const [seen, , , , , status = -1] = Array.from({ length: 6 }, () => results.uint32());
    if (seen !== xid) throw new Error(`a reply to call ${String(seen)}`);
    return { status: ACCEPT_STATUSES[status], results };
  } finally {
    socket.close();
  }
}
