import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { multiaddr } from '@multiformats/multiaddr';
import { pino } from 'pino';
import { generateIdentity } from './identity.ts';
import { startLibp2p } from './libp2p-node.ts';
import { createRegistryNode, type RegistryNode, type RegistryNodeSettings } from './node.ts';
import { REGISTRY_PROTOCOL } from './protocol/messages.ts';
import { createPublisher } from './publisher.ts';
import { createResolver } from './resolver.ts';
import { countSharers, holdLease } from './sharer-lease.ts';

const logger = pino({ level: 'silent' });
const LOOPBACK = '/ip4/127.0.0.1/tcp/0';
const address = { host: '127.0.0.1', port: 2049, exportPath: '/srv' };

function server(settings: Partial<RegistryNodeSettings> = {}): Promise<RegistryNode> {
  return createRegistryNode({
    ephemeral: true,
    listen: [LOOPBACK],
    bootstrap: [],
    mode: 'server',
    logger,
    ...settings,
  });
}

async function untilConnected(node: RegistryNode): Promise<void> {
  while (!node.isConnected) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** A bootstrap address as people write it: without the peer id. */
function door(node: RegistryNode): string[] {
  return node.addresses().map((known) => known.replace(/\/p2p\/.*$/, ''));
}

describe('eight nodes over TCP', () => {
  const nodes: RegistryNode[] = [];
  const key = generateIdentity();
  let client: RegistryNode;
  let stateDir: string;
  const appliance = `debian@${key.peerId}`;

  before(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'rowfs-network-'));
    nodes.push(await server());
    const bootstrap = door(nodes[0]!);
    for (let i = 1; i < 8; i += 1) nodes.push(await server({ bootstrap }));
    client = await server({ bootstrap, mode: 'client', listen: [] });
  });
  after(async () => {
    await Promise.all([client, ...nodes].map((node) => node.close()));
    await rm(stateDir, { recursive: true });
  });

  it('publish through one, resolve and share through another', async () => {
    const verifyServer = async () => undefined;
    const publisher = createPublisher({ node: nodes[3]!, key, stateDir, verifyServer });
    const report = await publisher.publish({
      name: 'debian',
      version: '1',
      servers: [address],
      manifest: null,
    });
    assert.equal(report.appliance, appliance);
    assert.ok(report.holders >= 3, `${report.holders} holders`);
    const { version, servers, staleSince } = await createResolver(client).resolve(appliance);
    assert.equal(version, '1');
    assert.deepEqual(servers[0]?.address, address);
    assert.equal(staleSince, undefined);

    const ref = { appliance, version: '1' };
    const lease = await holdLease(client, { ...ref, ttlSeconds: 60 });
    assert.deepEqual((await countSharers(nodes[5]!, ref)).count, 1);
    await lease.release();
    assert.deepEqual((await countSharers(nodes[6]!, ref)).count, 0);
  });

  it('a client is nobody that stores', async () => {
    for (const node of nodes) {
      const peers = await node.peers();
      assert.ok(!peers.some(({ id }) => id === client.peerId));
    }
  });

  it('with three of them gone, nothing is lost', async () => {
    await client.tables.putLease({ appliance, version: '1', lease: 'root', ttlSeconds: 60 });
    await Promise.all(nodes.splice(5, 3).map((node) => node.close()));
    const { version, servers, staleSince } = await createResolver(client).resolve(appliance);
    assert.deepEqual([version, servers.length, staleSince], ['1', 1, undefined]);
    const { count, complete } = await countSharers(nodes[0]!, { appliance, version: '1' });
    assert.deepEqual([count, complete], [1, true]);
  });

  // After the count above: once it is lost, it is a member out of reach like the three.
  it('a hung node does not keep reads or writes from finishing', async () => {
    const identity = generateIdentity();
    const options = { identity, listen: [LOOPBACK], mode: 'server' as const };
    const { libp2p } = await startLibp2p(options);
    try {
      // It takes every request and never answers.
      await libp2p.handle(REGISTRY_PROTOCOL, () => undefined);
      await libp2p.dial(nodes[0]!.addresses().map((known) => multiaddr(known)));
      const { record, answered } = await client.tables.getLatest(appliance);
      assert.equal(record?.payload.version, '1');
      assert.ok(answered >= 1);
      const lease = { appliance, version: '2', lease: 'hung', ttlSeconds: 60 };
      await nodes[0]!.tables.putLease(lease);
      assert.equal((await nodes[1]!.tables.getSharers(appliance, '2')).count, 1);
      await nodes[0]!.tables.releaseLease(lease);
    } finally {
      await libp2p.stop();
    }
  });

  it('with most of them gone, nobody believes that the sharers can be counted', async () => {
    const bootstrap = door(nodes[0]!);
    await Promise.all(nodes.splice(1, 4).map((node) => node.close()));
    // A client that was not there when they were lost learns it from the node that was.
    const newcomer = await server({ bootstrap, mode: 'client', listen: [] });
    for (const node of [nodes[0]!, newcomer]) {
      const { count, complete } = await countSharers(node, { appliance, version: '1' });
      assert.deepEqual([count, complete], [1, false]);
    }
    await newcomer.close();
  });

  it('with all of them gone, the last good answer is still there, and said to be stale', async () => {
    await Promise.all(nodes.splice(0).map((node) => node.close()));
    const { version, servers, staleSince } = await createResolver(client).resolve(appliance);
    assert.deepEqual([version, servers.length], ['1', 1]);
    assert.ok(staleSince instanceof Date);
    const { complete } = await countSharers(client, { appliance, version: '1' });
    assert.equal(complete, false);
    const other = `other@${key.peerId}`;
    await assert.rejects(createResolver(client).resolve(other), { code: 'REGISTRY_UNREACHABLE' });
  });
});

describe('a node by itself', () => {
  it('as a server without others is a whole registry', async () => {
    const node = await server();
    try {
      assert.equal(node.isConnected, false);
      const lease = { appliance: `a@${node.peerId}`, version: '1', lease: 'x', ttlSeconds: 60 };
      await node.tables.putLease(lease);
      const { count, complete } = await countSharers(node, lease);
      assert.deepEqual([count, complete], [1, true]);
      const resolve = createResolver(node).resolve(lease.appliance);
      await assert.rejects(resolve, { code: 'APPLIANCE_NOT_FOUND' });
    } finally {
      await node.close();
    }
  });

  it('as a server cut off from its network works, and joins when the network comes up', async () => {
    const first = await server();
    const bootstrap = door(first);
    const { identity } = first;
    await first.close();
    const node = await server({ bootstrap });
    try {
      assert.equal(node.isConnected, false);
      const ref = { appliance: `a@${node.peerId}`, version: '1' };
      assert.equal((await countSharers(node, ref)).complete, false, 'others may know more');
      const late = await server({ identity, listen: bootstrap });
      try {
        await untilConnected(node);
        assert.equal((await countSharers(node, ref)).complete, true);
      } finally {
        await late.close();
      }
    } finally {
      await node.close();
    }
  });

  it('as a client without others says which addresses it tried', async () => {
    const settings = { mode: 'client' as const, listen: [] };
    const unused = await server();
    const bootstrap = door(unused);
    await unused.close();
    await assert.rejects(server({ ...settings, bootstrap }), {
      code: 'REGISTRY_UNREACHABLE',
      message: new RegExp(bootstrap[0]!),
    });
    await assert.rejects(server(settings), { code: 'REGISTRY_UNREACHABLE' });
    const offline = await server({ ...settings, bootstrap, allowOffline: true });
    assert.equal(offline.isConnected, false);
    await offline.close();
  });

  it('keeps its identity in its data directory', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'rowfs-node-'));
    const options = { dataDir, listen: [LOOPBACK], bootstrap: [], mode: 'server' as const, logger };
    const first = await createRegistryNode(options);
    await first.close();
    const second = await createRegistryNode(options);
    await second.close();
    assert.equal(second.peerId, first.peerId);
    await rm(dataDir, { recursive: true });
  });

  it('says which address it cannot listen on, and why, in one line', async () => {
    const node = await server();
    const listen = door(node);
    await assert.rejects(server({ listen }), {
      code: 'LISTEN_FAILED',
      message: new RegExp(`^cannot listen on ${listen[0]!}: .*address already in use[^\n]*$`),
    });
    for (const wrong of [{ listen: ['nonsense'] }, { bootstrap: ['/ip4/10.0.0.1/tcp/99999'] }]) {
      await assert.rejects(server(wrong), { code: 'INVALID_ADDRESS', message: /e\.g\./ });
    }
    await node.close();
  });
});
