import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { generateIdentity } from './identity.ts';
import { latestKey, peerKey, compareDistance } from './kad-key.ts';
import { signLatest, type SignedLatest } from './records/latest.ts';
import { createTwinNetwork, type TwinNetwork } from './twin/twin-network.ts';
import type { TwinNode } from './twin/twin-node.ts';

const publisher = generateIdentity();
const appliance = `debian@${publisher.peerId}`;
const HOUR_MS = 3_600_000;

function latest(twin: TwinNetwork): SignedLatest {
  const published = twin.clock.now();
  const history = [{ version: '1', published, manifest: null, bootProfile: null }];
  const validUntil = published + 30 * 24 * HOUR_MS;
  return signLatest(
    { appliance, seq: 1, version: '1', channels: {}, published, validUntil, history },
    publisher,
  );
}

function byCloseness(nodes: readonly TwinNode[]): TwinNode[] {
  const key = latestKey(appliance);
  return [...nodes].sort((a, b) => compareDistance(key, peerKey(a.peerId), peerKey(b.peerId)));
}

async function holders(nodes: readonly TwinNode[]): Promise<TwinNode[]> {
  const prefix = `latest/${Buffer.from(latestKey(appliance)).toString('hex')}`;
  return nodes.filter(({ store }) => store.get(prefix) !== undefined);
}

describe('the upkeep of records', () => {
  it('gives a newcomer what it is now responsible for', async () => {
    const twin = await createTwinNetwork(20);
    for (const { upkeep } of twin.nodes) await twin.clock.until(upkeep!.round());
    await twin.clock.until(twin.nodes[0]!.tables.putLatest(latest(twin)));
    await twin.clock.until(twin.nodes[0]!.replicas.close());
    let identity = generateIdentity();
    const [closest] = byCloseness(twin.nodes);
    const key = latestKey(appliance);
    while (compareDistance(key, peerKey(identity.peerId), peerKey(closest!.peerId)) > 0) {
      identity = generateIdentity();
    }
    const newcomer = await twin.add({ identity });
    assert.deepEqual(await holders([newcomer]), []);
    // As libp2p's identify does it: those whom it asked know it.
    for (const node of byCloseness(twin.nodes).slice(0, 4)) {
      node.routing.answered({ id: newcomer.peerId, addresses: [] });
    }
    for (const { upkeep } of twin.nodes) await twin.clock.until(upkeep!.round());
    assert.deepEqual(await holders([newcomer]), [newcomer]);
  });

  it('puts a record again that nobody has put for a while, its publisher being away', async () => {
    const twin = await createTwinNetwork(30);
    await twin.clock.until(twin.nodes[0]!.tables.putLatest(latest(twin)));
    await twin.clock.until(twin.nodes[0]!.replicas.close());
    // Six of eight die within a minute, and all others go on as ever.
    const dead = byCloseness(twin.nodes).slice(0, 6);
    for (const { peerId } of dead) twin.network.setConduct(peerId, 'dead');
    const alive = twin.nodes.filter((node) => !dead.includes(node));
    assert.ok((await holders(byCloseness(alive).slice(0, 8))).length < 5, 'most are lost');
    for (let minutes = 0; minutes <= 20; minutes += 2) {
      await twin.clock.advance(2 * 60_000);
      for (const node of alive) await twin.clock.until(node.upkeep!.round());
    }
    const closest = byCloseness(alive).slice(0, 8);
    assert.deepEqual(await holders(closest), closest);
  });

  it('passes everything on when the node leaves', async () => {
    const twin = await createTwinNetwork(20);
    await twin.clock.until(twin.nodes[0]!.tables.putLatest(latest(twin)));
    await twin.clock.until(twin.nodes[0]!.replicas.close());
    for (const leaving of byCloseness(twin.nodes).slice(0, 8)) {
      await twin.clock.until(leaving.upkeep!.leave());
      twin.network.setConduct(leaving.peerId, 'dead');
    }
    const next = byCloseness(twin.nodes).slice(8, 16);
    assert.ok((await holders(next)).length >= 7, 'none of those that had it first is left');
  });
});
