import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { resolveBootstrap } from './bootstrap-names.ts';
import { createRegistryNode, type RegistryNode, type RegistryNodeOptions } from './node.ts';

const logger = pino({ level: 'silent' });
const LOOPBACK = '/ip4/127.0.0.1/tcp/0';

/** A DNS server on loopback that knows these TXT and A records (RFC 1035, section 4). */
async function startDns(txt: Record<string, string[]>, a: Record<string, string[]>) {
  const socket: Socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at]!; length > 0; length = query[at]!) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const type = query.readUInt16BE(at + 1);
    const name = labels.join('.').toLowerCase();
    const data =
      type === 16
        ? (txt[name] ?? []).map((text) => Buffer.from([text.length, ...Buffer.from(text)]))
        : type === 1
          ? (a[name] ?? []).map((ip) => Buffer.from(ip.split('.').map(Number)))
          : [];
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(data.length > 0 ? 0x8180 : 0x8183, 2);
    header.writeUInt16BE(data.length, 6);
    header.writeUInt32BE(0, 8);
    const answers = data.map((bytes) => {
      const head = Buffer.alloc(12);
      head.writeUInt16BE(0xc00c, 0);
      head.writeUInt16BE(type, 2);
      head.writeUInt16BE(1, 4);
      head.writeUInt16BE(bytes.length, 10);
      return Buffer.concat([head, bytes]);
    });
    const reply = Buffer.concat([header, query.subarray(12, at + 5), ...answers]);
    socket.send(reply, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const dns = new Resolver({ timeout: 1000, tries: 1 });
  dns.setServers([`127.0.0.1:${socket.address().port}`]);
  return { dns, close: () => new Promise<void>((resolve) => socket.close(() => resolve())) };
}

describe('joining', () => {
  let first: RegistryNode;
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rowfs-bootstrap-'));
    const options = { ephemeral: true, listen: [LOOPBACK], bootstrap: [] } as const;
    first = await createRegistryNode({ ...options, mode: 'server', logger });
  });
  after(async () => {
    await first.close();
    await rm(directory, { recursive: true });
  });

  it('goes through names: of hosts, and of lists in TXT records', async () => {
    const address = first.addresses()[0]!;
    const port = /tcp\/(?<port>\d+)/.exec(address)!.groups!['port']!;
    const { dns, close } = await startDns(
      {
        '_dnsaddr.registry.test': ['dnsaddr=/dnsaddr/eu.registry.test', 'v=spf1 -all'],
        '_dnsaddr.eu.registry.test': [`dnsaddr=/dns4/node.test/tcp/${port}`, 'dnsaddr=nonsense'],
        '_dnsaddr.loop.test': ['dnsaddr=/dnsaddr/loop.test'],
      },
      { 'node.test': ['127.0.0.1'] },
    );
    try {
      const unresolved: string[] = [];
      const resolve = (name: string): Promise<string[]> =>
        resolveBootstrap([name], dns, (each) => unresolved.push(each));
      assert.deepEqual(await resolve(`/dns4/node.test/tcp/${port}`), [
        `/ip4/127.0.0.1/tcp/${port}`,
      ]);
      assert.deepEqual(await resolve('/dnsaddr/registry.test'), [`/ip4/127.0.0.1/tcp/${port}`]);
      assert.deepEqual(await resolve('/dnsaddr/loop.test'), []);
      assert.deepEqual(await resolve(address), [address]);
      assert.deepEqual(await resolve('/dns4/nowhere.test/tcp/1'), []);
      assert.deepEqual(unresolved, ['/dns4/nowhere.test/tcp/1']);
      const client = await createRegistryNode({
        ephemeral: true,
        listen: [],
        bootstrap: ['/dns4/nowhere.test/tcp/1', '/dnsaddr/registry.test'],
        dns,
        mode: 'client',
        logger,
      });
      assert.equal(client.isConnected, true);
      await client.close();
    } finally {
      await close();
    }
  });

  it('goes through remembered peers when the bootstrap nodes are gone', async () => {
    const start = (options: Partial<RegistryNodeOptions>): Promise<RegistryNode> =>
      createRegistryNode({
        ephemeral: true,
        listen: [LOOPBACK],
        bootstrap: [],
        mode: 'server',
        logger,
        ...options,
      });
    const door = await start({});
    const other = await start({ bootstrap: door.addresses() });
    const mine = { dataDir: join(directory, 'mine'), bootstrap: door.addresses() };
    const once = await createRegistryNode({ ...mine, listen: [], mode: 'client', logger });
    while ((await once.peers()).length < 2) await once.tables.getLatest(`a@${once.peerId}`);
    await once.close();
    await door.close();
    const again = await createRegistryNode({ ...mine, listen: [], mode: 'client', logger });
    assert.deepEqual(
      (await again.peers()).map(({ id }) => id),
      [other.peerId],
    );
    await again.close();
    await other.close();
  });
});
