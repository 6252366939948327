import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { generateIdentity } from '../identity.ts';
import { createPublisher } from '../publisher.ts';
import { holdLease, type SharerLease } from '../sharer-lease.ts';
import { createTwinNetwork } from '../twin/twin-network.ts';
import { patiently } from '../twin/patiently.ts';
import { applyGc } from './apply.ts';
import { planGc } from './plan.ts';
import { readGcWorld } from './world.ts';

const policy = { keep: 1, graceSeconds: 0, pins: [] };
const ttlSeconds = 60;

/** What happens in a history, in order. */
const event = fc.oneof(
  fc.record({ what: fc.constant('mount' as const), version: fc.nat(3) }),
  fc.record({ what: fc.constant('unmount' as const), mount: fc.nat(3) }),
  fc.record({ what: fc.constant('publish' as const) }),
  fc.record({ what: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 120 }) }),
  fc.record({
    what: fc.constant('outage' as const),
    node: fc.integer({ min: 1, max: 7 }),
    conduct: fc.constantFrom('dead' as const, 'hung' as const, 'well' as const),
  }),
  // A mount may come while gc waits.
  fc.record({ what: fc.constant('gc' as const), mountMeanwhile: fc.boolean() }),
);

describe('gc', () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rowfs-gc-safety-'));
  });
  after(() => rm(directory, { recursive: true }));

  it('never lets a version go that somebody has mounted, whatever happens in which order', async () => {
    const history = fc.array(event, { minLength: 4, maxLength: 14 });
    await fc.assert(
      fc.asyncProperty(history, (events) => play(events)),
      { numRuns: 12 },
    );
  });

  type Event = typeof event extends fc.Arbitrary<infer E> ? E : never;

  async function play(events: readonly Event[]): Promise<void> {
    const twin = await createTwinNetwork(8);
    const node = twin.nodes[0]!;
    const client = await twin.add({ mode: 'client' });
    const publisher = createPublisher({
      node,
      key: generateIdentity(),
      stateDir: await mkdtemp(join(directory, 'state-')),
      verifyServer: async () => undefined,
    });
    const appliance = publisher.applianceId('debian');
    const address = { host: 'nas', port: 2049, exportPath: '/srv' };
    const versions: string[] = [];
    const gone = new Set<string>();
    const mounts: { version: string; lease: SharerLease }[] = [];

    const publish = async (): Promise<void> => {
      const version = `v${versions.length}`;
      versions.push(version);
      // With too many nodes out it may fail; it then counts as a publish that has begun.
      await publisher
        .publish({ name: 'debian', version, servers: [address], manifest: null })
        .catch(() => undefined);
    };
    const mount = async (pick: number): Promise<void> => {
      const version = versions[pick % versions.length]!;
      if (gone.has(version)) return;
      const lease = await holdLease(client, { appliance, version, ttlSeconds });
      // A proxy that cannot say that it uses a version has no claim to it.
      if (lease.acknowledgedAt !== undefined) mounts.push({ version, lease });
      else await lease.release();
    };
    const collect = async (mountMeanwhile: boolean): Promise<void> => {
      const plan = planGc(await readGcWorld(node, publisher, appliance), policy);
      const running = applyGc({ node, publisher, plan, policy, leaseTtlSeconds: ttlSeconds });
      const [report] = await Promise.all([running, mountMeanwhile ? mount(0) : undefined]);
      for (const { version } of report.deletable) {
        assert.ok(!mounts.some((held) => held.version === version), `${version} is mounted`);
        gone.add(version);
      }
    };
    const happen = async (each: Event): Promise<void> => {
      if (each.what === 'mount') await mount(each.version);
      else if (each.what === 'publish') await publish();
      else if (each.what === 'gc') await collect(each.mountMeanwhile).catch(rethrowAssertions);
      else if (each.what === 'unmount') await mounts.splice(each.mount, 1)[0]?.lease.release();
      else if (each.what === 'outage') {
        twin.network.setConduct(twin.nodes[each.node]!.peerId, each.conduct);
      }
    };

    await patiently(twin.clock, publish());
    await patiently(twin.clock, publish());
    for (const each of events) {
      if (each.what === 'wait') await twin.clock.advance(each.seconds * 1000);
      else await patiently(twin.clock, happen(each));
    }
    for (const { lease } of mounts) await patiently(twin.clock, lease.release());
  }
});

/** An outage may make gc give up, which deletes nothing. */
function rethrowAssertions(error: unknown): void {
  if (error instanceof assert.AssertionError) throw error;
}
