import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Clock, sleep } from '../clock.ts';
import { generateIdentity } from '../identity.ts';
import { createPublisher, type Publisher } from '../publisher.ts';
import { PublishMarks } from '../publish-marks.ts';
import { createResolver } from '../resolver.ts';
import { announceServer } from '../server-announcement.ts';
import { countSharers, holdLease, type SharerLease } from '../sharer-lease.ts';
import { patiently } from '../twin/patiently.ts';
import { createTwinNetwork, type TwinNetwork } from '../twin/twin-network.ts';
import type { TwinNode } from '../twin/twin-node.ts';
import { applyGc } from './apply.ts';
import { deletePermittedData } from './delete-data.ts';
import { dataOf } from './deletions.ts';
import { planGc, versionsToDelete, type GcPolicy } from './plan.ts';
import { readGcWorld } from './world.ts';

const address = { host: 'nas', port: 2049, exportPath: '/srv' };
const policy: GcPolicy = { keep: 1, graceSeconds: 0, pins: [] };
const leaseTtlSeconds = 60;

interface Scene {
  twin: TwinNetwork;
  client: TwinNode;
  publisher: Publisher;
  appliance: string;
  stateDir: string;
  plan: () => Promise<ReturnType<typeof planGc>>;
  publish: (version: string) => Promise<unknown>;
}

describe('publish and gc', () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rowfs-gc-'));
  });
  after(() => rm(directory, { recursive: true }));

  /** A network in which v1 and v2 are published. */
  async function setUp(verifyServer = async () => undefined): Promise<Scene> {
    const twin = await createTwinNetwork(8);
    const client = await twin.add({ mode: 'client' });
    const node = twin.nodes[0]!;
    const stateDir = await mkdtemp(join(directory, 'state-'));
    const key = generateIdentity();
    const publisher = createPublisher({ node, key, stateDir, verifyServer });
    const appliance = publisher.applianceId('debian');
    // Marks are real files: their promises need more than virtual time.
    const publish = (version: string) =>
      patiently(
        twin.clock,
        publisher.publish({ name: 'debian', version, servers: [address], manifest: null }),
      );
    const plan = async () =>
      planGc(await patiently(twin.clock, readGcWorld(node, publisher, appliance)), policy);
    await publish('v1');
    await publish('v2');
    return { twin, client, publisher, appliance, stateDir, plan, publish };
  }

  const apply = ({ twin, publisher }: Scene, plan: ReturnType<typeof planGc>) =>
    patiently(
      twin.clock,
      applyGc({ node: twin.nodes[0]!, publisher, plan, policy, leaseTtlSeconds }),
    );

  it('keeps a version as long as it has a sharer, and retires it afterwards', async () => {
    const scene = await setUp();
    const { twin, client, appliance, plan } = scene;
    const options = { appliance, version: 'v1', ttlSeconds: leaseTtlSeconds };
    const lease = await twin.clock.until(holdLease(client, options));
    await twin.clock.advance(10 * 60_000);
    assert.deepEqual(versionsToDelete(await plan()), [], 'refreshed for ten minutes');
    await twin.clock.until(lease.release());
    const agreed = await plan();
    assert.deepEqual(versionsToDelete(agreed), ['v1']);
    const started = twin.clock.now();
    const report = await apply(scene, agreed);
    assert.ok(twin.clock.now() - started >= leaseTtlSeconds * 1000, 'a TTL passed before');
    assert.deepEqual(report, {
      deletable: [{ version: 'v1', servers: ['nas:2049:/srv'] }],
      resurrected: [],
    });
    const resolve = createResolver(client).resolve(appliance, { version: 'v1' });
    await assert.rejects(twin.clock.until(resolve), { code: 'VERSION_NOT_FOUND' });
    const { entries } = await twin.clock.until(client.tables.getServers(appliance, 'v1'));
    assert.deepEqual(entries, []);
  });

  it('brings a version back when it is used while gc waits', async () => {
    const scene = await setUp();
    const { twin, client, appliance } = scene;
    const running = apply(scene, await scene.plan());
    const whenRetired = async (): Promise<SharerLease> => {
      const { record } = await client.tables.getLatest(appliance);
      if (record?.payload.history.length !== 1) return whenRetired();
      return holdLease(client, { appliance, version: 'v1', ttlSeconds: leaseTtlSeconds });
    };
    const lease = await patiently(twin.clock, whenRetired());
    assert.deepEqual(await running, { deletable: [], resurrected: ['v1'] });
    const again = createResolver(client).resolve(appliance, { version: 'v1' });
    const { servers, latest } = await twin.clock.until(again);
    assert.equal(servers[0]?.endorsed, true);
    assert.deepEqual([latest.version, latest.history.length], ['v2', 2]);
    await twin.clock.until(lease.release());
  });

  it('refuses a plan when the world has changed', async () => {
    const scene = await setUp();
    const plan = await scene.plan();
    await scene.publish('v3');
    await assert.rejects(apply(scene, plan), { code: 'PLAN_CHANGED' });
    const next = await scene.plan();
    const { twin, client, appliance } = scene;
    await twin.clock.until(holdLease(client, { appliance, version: 'v1', ttlSeconds: 60 }));
    await assert.rejects(apply(scene, next), { code: 'PLAN_CHANGED' });
  });

  it('keeps everything while the sharers cannot be counted', async () => {
    const scene = await setUp();
    for (const { peerId } of scene.twin.nodes.slice(4)) {
      scene.twin.network.setConduct(peerId, 'dead');
    }
    assert.deepEqual(
      (await scene.plan()).decisions.map(({ reason }) => reason),
      ['CURRENT', 'UNREACHABLE'],
    );
  });

  it('keeps a version whose publish has begun and not ended', async () => {
    const scene = await setUp();
    await new PublishMarks(scene.stateDir).set(scene.appliance, 'v1');
    assert.deepEqual(versionsToDelete(await scene.plan()), []);
    await scene.publish('v1');
    assert.deepEqual(await scene.publisher.inFlight(scene.appliance), []);
    assert.deepEqual(versionsToDelete(await scene.plan()), ['v2'], 'v1 is current again');
  });

  it('announces nothing that cannot be fetched', async () => {
    let works = true;
    const verify = async () => {
      if (!works) throw new Error('mount: no such export');
      return undefined;
    };
    const scene = await setUp(verify);
    works = false;
    await assert.rejects(scene.publish('v3'), {
      code: 'SERVER_NOT_FETCHABLE',
      message: /nas:2049:\/srv .* no such export/,
    });
    const { twin, client, appliance } = scene;
    const { latest } = await twin.clock.until(createResolver(client).resolve(appliance));
    assert.equal(latest.version, 'v2');
    const { entries } = await twin.clock.until(client.tables.getServers(appliance, 'v3'));
    assert.deepEqual(entries, []);
    assert.deepEqual(await scene.publisher.inFlight(appliance), [], 'it did not begin');
  });

  it('publishing the same again refreshes it', async () => {
    const scene = await setUp();
    const report = await scene.publish('v2');
    assert.partialDeepStrictEqual(report, { version: 'v2', seq: 3, refreshed: true });
  });

  it('withdraws the servers that are not named again', async () => {
    const { twin, client, publisher, appliance } = await setUp();
    const other = { ...address, host: 'other-nas' };
    const publish = (servers: (typeof address)[]) =>
      patiently(
        twin.clock,
        publisher.publish({ name: 'debian', version: 'v2', servers, manifest: null }),
      );
    const hosts = async (): Promise<string[]> => {
      const { servers } = await twin.clock.until(createResolver(client).resolve(appliance));
      return servers.map((server) => server.address.host).sort();
    };
    assert.deepEqual((await publish([address, other])).withdrawn, []);
    assert.deepEqual(await hosts(), ['nas', 'other-nas']);
    assert.deepEqual((await publish([other])).withdrawn, ['nas:2049:/srv']);
    assert.deepEqual(await hosts(), ['other-nas']);
  });

  it('tells a server of ours when it may delete a version that was listed before', async () => {
    const scene = await setUp();
    const { twin, client, appliance } = scene;
    const told: { version: string; at: number }[] = [];
    const announce = (version: string) =>
      twin.clock.until(
        announceServer(twin.nodes[3]!, {
          appliance,
          version,
          address,
          holdings: 'full',
          load: () => 12.4,
          ttlSeconds: 20,
          onDeletable: () => told.push({ version, at: twin.clock.now() }),
        }),
      );
    const [listed, early] = [await announce('v1'), await announce('v9')];
    const started = twin.clock.now();
    await apply(scene, await scene.plan());
    await twin.clock.advance(20_000);
    assert.deepEqual([...new Set(told.map(({ version }) => version))], ['v1']);
    assert.ok(told.every(({ at }) => at >= started + leaseTtlSeconds * 1000));
    const data = () => twin.clock.until(dataOf(client, { appliance, version: 'v1' }, 10));
    assert.deepEqual(await data(), { deleted: [], serving: ['nas:2049:/srv'] });
    await twin.clock.until(Promise.all([listed.withdrawDeleted(12_345), early.withdraw()]));
    assert.deepEqual(await data(), {
      deleted: [{ server: 'nas:2049:/srv', freedBytes: 12_345 }],
      serving: [],
    });
    told.length = 0;
    const again = await announce('v1');
    await twin.clock.advance(20_000);
    assert.deepEqual(told, [], 'what is announced anew belongs to no earlier deletion');
    await twin.clock.until(again.withdraw());
  });

  it('tells a server whose entries are refused, as that of a clock an hour behind is', async () => {
    const scene = await setUp();
    const { twin, appliance } = scene;
    const clock: Clock = {
      now: () => twin.clock.now() - 3_600_000,
      after: (ms, action) => twin.clock.after(ms, action),
    };
    const node = await twin.add({ clock });
    let isTold = false;
    const announcing = announceServer(node, {
      appliance,
      version: 'v1',
      address,
      holdings: 'full',
      load: () => 0,
      ttlSeconds: 20,
      onDeletable: () => (isTold = true),
    });
    const announcement = await twin.clock.until(announcing);
    await apply(scene, await scene.plan());
    await twin.clock.advance(20_000);
    assert.equal(announcement.acknowledgedAt, undefined, 'no entry of it was taken');
    assert.ok(isTold);
    await twin.clock.until(announcement.withdraw());
  });

  it('goes on with what a gc left that was killed while it waited', async () => {
    const scene = await setUp();
    const { twin, client, publisher, appliance } = scene;
    await patiently(twin.clock, publisher.retire(appliance, ['v1']));
    const options = { appliance, version: 'v1', ttlSeconds: leaseTtlSeconds };
    const lease = await twin.clock.until(holdLease(client, options));
    assert.deepEqual(await apply(scene, await scene.plan()), {
      deletable: [],
      resurrected: ['v1'],
    });
    const kept = await twin.clock.until(createResolver(client).resolve(appliance, options));
    assert.equal(kept.version, 'v1');
    await twin.clock.until(lease.release());

    await patiently(twin.clock, publisher.retire(appliance, ['v1']));
    const plan = await scene.plan();
    assert.equal(plan.decisions.find(({ version }) => version === 'v1')?.reason, 'RETIRED');
    const { deletable } = await apply(scene, plan);
    assert.deepEqual(deletable, [{ version: 'v1', servers: ['nas:2049:/srv'] }]);
  });

  it('a version leaves the history, an in-flight publish adds it again while gc runs: nothing is lost', async () => {
    // However long the servers are read, the publish ends before, in, or after any step of gc.
    for (const verifySeconds of [1, 59, 61]) {
      for (const startsAfter of [0, 20, 59, 61]) {
        let seconds = 0;
        let dataIsThere = true;
        const verify = async (): Promise<undefined> => {
          if (seconds > 0) await sleep(scene.twin.clock, seconds * 1000);
          if (!dataIsThere) throw new Error('mount: no such export');
          return undefined;
        };
        const scene: Scene = await setUp(verify);
        const { twin, client, appliance } = scene;
        seconds = verifySeconds;
        const data = {
          suspend: () => Promise.resolve(void (dataIsThere = false)),
          resume: () => Promise.resolve(void (dataIsThere = true)),
          delete: () => Promise.resolve(1),
        };
        const collecting = apply(scene, await scene.plan()).then(() =>
          deletePermittedData(twin.nodes[2]!, { appliance, version: 'v1' }, data),
        );
        const publishing = sleep(twin.clock, startsAfter * 1000).then(() => scene.publish('v1'));
        const [, published] = await patiently(
          twin.clock,
          Promise.allSettled([collecting, publishing]),
        );
        const { latest } = await patiently(twin.clock, createResolver(client).latest(appliance));
        const isListed = latest.history.some(({ version }) => version === 'v1');
        const when = `published after ${startsAfter} s, reading for ${verifySeconds} s`;
        assert.equal(isListed, published.status === 'fulfilled', when);
        assert.ok(!isListed || dataIsThere, when);
      }
    }
  });

  it('a lease of a client that dies ends within one TTL', async () => {
    const { twin, client, appliance } = await setUp();
    const options = { appliance, version: 'v1', ttlSeconds: 60 };
    const key = generateIdentity().peerId;
    await twin.clock.until(client.tables.putLease({ ...options, lease: key.slice(-8) }));
    const count = async () => (await twin.clock.until(countSharers(client, options))).count;
    await twin.clock.advance(59_000);
    assert.equal(await count(), 1);
    await twin.clock.advance(1_000);
    assert.equal(await count(), 0);
  });
});
