import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { XdrReader, type XdrWriter } from '@rowfs/xdr';
import { RpcClient } from './client.ts';
import { readReplyOutcome, readReplyXid } from './message.ts';
import {
  listenPortmapper,
  PORTMAP_DUMP,
  PORTMAP_GETPORT,
  PORTMAP_PROGRAM,
  PORTMAP_VERSION,
  type Portmapper,
} from './portmap.ts';
import { encodeCall } from './test-support/raw-peer.ts';

const NFS = 100003;
const MOUNT = 100005;
const TCP = 6;
const UDP = 17;
const PORTMAP = { program: PORTMAP_PROGRAM, version: PORTMAP_VERSION };

const mapping = (program: number, version: number, protocol: number) => (writer: XdrWriter) => {
  for (const word of [program, version, protocol, 0]) writer.uint32(word);
};

describe('portmapper', () => {
  let portmapper: Portmapper;
  let client: RpcClient;
  before(async () => {
    portmapper = await listenPortmapper({
      host: '127.0.0.1',
      port: 0,
      mappings: [
        { program: NFS, version: 3, protocol: 'tcp', port: 2049 },
        { program: MOUNT, version: 3, protocol: 'udp', port: 635 },
      ],
    });
    client = new RpcClient({ connect: portmapper.address, ...PORTMAP });
  });
  after(async () => {
    await client.close();
    await portmapper.close();
  });

  it('tells the port of a program and protocol, or 0', async () => {
    const port = async (...of: [number, number, number]): Promise<number> =>
      (await client.call(PORTMAP_GETPORT, mapping(...of))).uint32();
    assert.equal(await port(NFS, 3, TCP), 2049);
    assert.equal(await port(MOUNT, 3, UDP), 635);
    assert.equal(await port(NFS, 3, UDP), 0);
    assert.equal(await port(NFS, 4, TCP), 2049, 'to be told there which versions it has');
    assert.equal(await port(1, 3, TCP), 0);
  });

  it('dumps all mappings, its own last', async () => {
    const results = await client.call(PORTMAP_DUMP, () => undefined);
    const words = Array.from({ length: results.remaining / 4 }, () => results.uint32());
    const { port } = portmapper.address;
    const own = [1, PORTMAP_PROGRAM, 2, TCP, port, 1, PORTMAP_PROGRAM, 2, UDP, port];
    assert.deepEqual(words, [1, NFS, 3, TCP, 2049, 1, MOUNT, 3, UDP, 635, ...own, 0]);
  });

  it('answers over UDP on the same port, and outlives datagrams that are no calls', async () => {
    const socket = createSocket('udp4');
    const { host, port } = portmapper.address;
    const call = {
      ...PORTMAP,
      xid: 8,
      procedure: PORTMAP_GETPORT,
      writeArgs: mapping(NFS, 3, TCP),
    };
    socket.send(Buffer.alloc(0), port, host);
    socket.send(Buffer.from('no call at all'), port, host);
    socket.send(encodeCall(call).subarray(4), port, host);
    const [datagram] = (await once(socket, 'message')) as [Buffer];
    const reply = new XdrReader(datagram);
    assert.equal(readReplyXid(reply), 8);
    assert.deepEqual(readReplyOutcome(reply), { status: 'SUCCESS' });
    assert.equal(reply.uint32(), 2049);
    reply.end();
    socket.close();
  });

  it('rejects when its port is in use', async () => {
    const { address } = portmapper;
    const blocked = { host: '127.0.0.1', port: address.port, mappings: [] };
    await assert.rejects(listenPortmapper(blocked), { code: 'EADDRINUSE' });
  });
});
