import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { generateIdentity } from './identity.ts';
import { createPublisher, type PublishRequest, type PublishReport } from './publisher.ts';
import type { PublishedFile } from './records/latest.ts';
import { createResolver, type Resolution } from './resolver.ts';
import { patiently } from './twin/patiently.ts';
import { createTwinNetwork } from './twin/twin-network.ts';

const servers = [{ host: 'nas', port: 2049, exportPath: '/srv' }];
const manifest = { digest: Buffer.alloc(32, 1), bytes: 4000 };
const bootProfile = { digest: Buffer.alloc(32, 2), bytes: 70 };

const plain = ({ digest, bytes }: PublishedFile): PublishedFile => ({
  digest: Buffer.from(digest),
  bytes,
});

describe('what is published about a version', () => {
  let stateDir: string;
  before(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'rowfs-publisher-'));
  });
  after(() => rm(stateDir, { recursive: true }));

  async function setUp(): Promise<{
    publish: (request: Partial<PublishRequest> & { version: string }) => Promise<PublishReport>;
    resolve: (version?: string) => Promise<Resolution>;
  }> {
    const { nodes, clock } = await createTwinNetwork(4);
    const node = nodes[0]!;
    const key = generateIdentity();
    const publisher = createPublisher({ node, key, stateDir, verifyServer: async () => undefined });
    const resolver = createResolver(nodes[1]!);
    return {
      publish: (request) =>
        patiently(clock, publisher.publish({ name: 'debian', servers, manifest, ...request })),
      resolve: (version) =>
        patiently(
          clock,
          resolver.resolve(
            publisher.applianceId('debian'),
            version === undefined ? {} : { version },
          ),
        ),
    };
  }

  it('has digests and sizes of every version that is kept, not only of the newest', async () => {
    const { publish, resolve } = await setUp();
    await publish({ version: '1', bootProfile });
    await publish({ version: '2', manifest: null });
    const newest = await resolve();
    assert.deepEqual([newest.version, newest.manifest, newest.bootProfile], ['2', null, null]);
    const pinned = await resolve('1');
    assert.deepEqual(
      [pinned.manifest, pinned.bootProfile].map((file) => plain(file!)),
      [manifest, bootProfile],
    );
  });

  it('is one image for ever', async () => {
    const { publish, resolve } = await setUp();
    await publish({ version: '1' });
    for (const another of [{ ...manifest, digest: Buffer.alloc(32, 9) }, null]) {
      await assert.rejects(publish({ version: '1', manifest: another }), { code: 'ANOTHER_IMAGE' });
    }
    assert.equal((await resolve()).latest.seq, 1);
  });

  it('is one record after the other, whoever publishes with the key', async () => {
    const { nodes, clock } = await createTwinNetwork(4);
    const init = { key: generateIdentity(), stateDir, verifyServer: async () => undefined };
    // As processes of their own have it: a node that renews, a command that publishes.
    const publishers = nodes.slice(0, 3).map((node) => createPublisher({ ...init, node }));
    const reports = await patiently(
      clock,
      Promise.all(
        publishers.map((publisher, index) =>
          publisher.publish({ name: 'debian', version: String(index), servers, manifest }),
        ),
      ),
    );
    const sequence = reports.map(({ seq }) => seq).toSorted();
    assert.deepEqual(sequence, [1, 2, 3]);
  });

  it('keeps its boot profile until it is given another or none', async () => {
    const { publish, resolve } = await setUp();
    await publish({ version: '1', bootProfile });
    await publish({ version: '1' });
    assert.deepEqual(plain((await resolve()).bootProfile!), bootProfile);
    await publish({ version: '1', bootProfile: null });
    assert.equal((await resolve()).bootProfile, null);
  });
});
