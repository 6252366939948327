import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { generateIdentity } from './identity.ts';
import { signLatest, type Latest } from './records/latest.ts';
import { signServerEntry } from './records/server-entry.ts';
import { diskStore } from './store.ts';
import { MemoryNetwork } from './twin/memory-network.ts';
import { createTwinNode, type TwinNode } from './twin/twin-node.ts';
import { VirtualClock } from './twin/virtual-clock.ts';

const publisher = generateIdentity();
const appliance = `debian@${publisher.peerId}`;

describe('a node alone, restarted on its disk', () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rowfs-store-'));
  });
  after(() => rm(directory, { recursive: true }));

  const clock = new VirtualClock();
  const identity = generateIdentity();
  const restart = async (old?: TwinNode): Promise<TwinNode> => {
    await old?.close();
    await old?.store.close();
    const network = new MemoryNetwork(clock, () => 1);
    return createTwinNode({ network, clock, identity, store: await diskStore(directory) });
  };
  const latest = (seq: number): Latest => ({
    appliance,
    seq,
    version: 'v1',
    channels: {},
    published: clock.now(),
    validUntil: clock.now() + 86_400_000,
    history: [{ version: 'v1', published: clock.now(), manifest: null, bootProfile: null }],
  });

  it('keeps records, the floor of seq, servers, and gives each lease a full TTL again', async () => {
    let node = await restart();
    const lease = { appliance, version: 'v1', lease: 'root', ttlSeconds: 60 };
    const address = { host: 'nas', port: 2049, exportPath: '/srv' };
    const server = { appliance, version: 'v1', server: identity.peerId, address };
    const state = { holdings: 'full' as const, load: 0, seq: 3, withdrawn: false };
    const expires = clock.now() + 3_600_000;
    await node.tables.putLatest(signLatest(latest(5), publisher));
    await node.tables.putServer(signServerEntry({ ...server, ...state, expires }, identity));
    await node.tables.putLease(lease);
    await node.tables.putLease({ ...lease, lease: 'released' });
    await node.tables.releaseLease({ appliance, version: 'v1', lease: 'released' });
    await clock.advance(50_000);

    node = await restart(node);
    await clock.advance(50_000);
    const { sharers } = await node.tables.getSharers(appliance, 'v1');
    assert.deepEqual(sharers, [{ client: identity.peerId, lease: 'root' }]);
    assert.equal((await node.tables.getServers(appliance, 'v1')).entries.length, 1);
    assert.equal((await node.tables.getLatest(appliance)).record?.payload.seq, 5);
    assert.equal(node.tables.newestSeen(appliance)?.payload.seq, 5);
    const rollback = node.tables.putLatest(signLatest(latest(4), publisher));
    await assert.rejects(rollback, { code: 'ROLLBACK' });

    await clock.advance(10_000);
    assert.equal((await node.tables.getSharers(appliance, 'v1')).count, 0);
    node = await restart(node);
    assert.equal(
      (await node.tables.getSharers(appliance, 'v1')).count,
      0,
      'ended leases stay ended',
    );
    await node.close();
    await node.store.close();
  });

  it('says which directory it cannot use', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    await assert.rejects(diskStore(join(file, 'below')), {
      code: 'STORE_FAILED',
      message: new RegExp(file),
    });
  });
});
