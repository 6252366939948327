import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { versionBefore } from './channel-moves.ts';
import { generateIdentity } from './identity.ts';
import { createPublisher, type Publisher } from './publisher.ts';
import type { PublishedFile } from './records/latest.ts';
import { createResolver, type Resolution, type ResolveOptions } from './resolver.ts';
import { patiently } from './twin/patiently.ts';
import { createTwinNetwork } from './twin/twin-network.ts';

const servers = [{ host: 'nas', port: 2049, exportPath: '/srv' }];
const image = (version: string): PublishedFile => ({
  digest: Buffer.alloc(32, Number(version)),
  bytes: 4000,
});

interface Bench {
  readonly publisher: Publisher;
  readonly appliance: string;
  readonly patient: <T>(work: Promise<T>) => Promise<T>;
  readonly publish: (version: string, channels?: string[]) => Promise<unknown>;
  readonly resolve: (options?: ResolveOptions) => Promise<Resolution>;
  readonly pass: (ms: number) => Promise<void>;
}

describe('channels', () => {
  let stateDir: string;
  before(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'rowfs-channels-'));
  });
  after(() => rm(stateDir, { recursive: true }));

  async function setUp(): Promise<Bench> {
    const { nodes, clock } = await createTwinNetwork(4);
    const publisher = createPublisher({
      node: nodes[0]!,
      key: generateIdentity(),
      stateDir,
      verifyServer: async () => undefined,
    });
    const appliance = publisher.applianceId('debian');
    const resolver = createResolver(nodes[1]!);
    const patient = <T>(work: Promise<T>): Promise<T> => patiently(clock, work);
    return {
      publisher,
      appliance,
      patient,
      publish: (version, channels) =>
        patient(
          publisher.publish({
            name: 'debian',
            version,
            servers,
            manifest: image(version),
            ...(channels !== undefined && { channels }),
          }),
        ),
      resolve: (options) => patient(resolver.resolve(appliance, options)),
      pass: (ms) => clock.advance(ms),
    };
  }

  it('leave those alone that were not named: beta is tried before stable moves', async () => {
    const { publisher, appliance, patient, publish, resolve } = await setUp();
    await publish('1', ['beta']);
    assert.equal((await resolve()).version, '1', 'there is no other version to run');
    await publish('2', ['beta']);
    assert.equal((await resolve()).version, '1');
    assert.equal((await resolve({ channel: 'beta' })).version, '2');
    await patient(publisher.moveChannels(appliance, { stable: '2' }));
    assert.equal((await resolve({ channel: 'stable' })).version, '2');
    await patient(publisher.moveChannels(appliance, { beta: null }));
    await assert.rejects(resolve({ channel: 'beta' }), { code: 'VERSION_NOT_FOUND' });
  });

  it('go back to an old version by a new record', async () => {
    const { publisher, appliance, patient, publish, resolve, pass } = await setUp();
    await publish('1');
    await pass(1000);
    await publish('2');
    const { latest } = await resolve();
    assert.equal(versionBefore(latest, '2'), '1');
    assert.equal(versionBefore(latest, '1'), undefined);
    const report = await patient(publisher.moveChannels(appliance, { stable: '1' }));
    assert.deepEqual([report.seq, report.before], [3, { stable: '2' }]);
    const back = await resolve();
    assert.deepEqual([back.version, back.latest.seq], ['1', 3]);
    assert.deepEqual(
      back.latest.history.map(({ version }) => version),
      ['2', '1'],
    );
    const again = await patient(publisher.moveChannels(appliance, { stable: '1' }));
    assert.equal(again.seq, 3, 'nothing moved, nothing is signed');
  });

  it('point only at what is kept and served', async () => {
    const { publisher, appliance, patient, publish, pass } = await setUp();
    await publish('1');
    const move = (moves: Record<string, string | null>): Promise<unknown> =>
      patient(publisher.moveChannels(appliance, moves));
    await assert.rejects(move({ beta: '7' }), { code: 'VERSION_NOT_FOUND' });
    await assert.rejects(move({ stable: null }), { code: 'INVALID_CHANNEL' });
    await assert.rejects(move({ gamma: null }), { code: 'INVALID_CHANNEL' });
    await pass(31 * 86_400_000);
    await assert.rejects(move({ beta: '1' }), { code: 'NO_SERVERS' });
  });

  it('are passed over by a pinned image', async () => {
    const { publish, resolve } = await setUp();
    await publish('1');
    await publish('2');
    assert.equal((await resolve({ manifest: image('1').digest })).version, '1');
    await assert.rejects(resolve({ manifest: image('9').digest }), { code: 'VERSION_NOT_FOUND' });
    await assert.rejects(resolve({ manifest: image('1').digest, channel: 'stable' }), {
      code: 'ANOTHER_IMAGE',
    });
  });
});

describe('renewing', () => {
  it('signs again, for as long as before, what has passed half of its validity', async (t) => {
    const stateDir = await mkdtemp(join(tmpdir(), 'rowfs-renewal-'));
    t.after(() => rm(stateDir, { recursive: true }));
    const { nodes, clock } = await createTwinNetwork(4);
    const publisher = createPublisher({
      node: nodes[0]!,
      key: generateIdentity(),
      stateDir,
      verifyServer: async () => undefined,
    });
    const day = 86_400_000;
    const request = { name: 'debian', version: '1', servers, manifest: null };
    const published = publisher.publish({ ...request, validForSeconds: 10 * 86_400 });
    const { appliance } = await patiently(clock, published);
    await clock.advance(4 * day);
    assert.equal(await patiently(clock, publisher.renew(appliance)), undefined);
    await clock.advance(2 * day);
    const until = await patiently(clock, publisher.renew(appliance));
    assert.ok(until !== undefined && until.getTime() >= clock.now() + 9 * day);
    await clock.advance(8 * day);
    const found = await patiently(clock, createResolver(nodes[2]!).resolve(appliance));
    assert.equal(found.staleSince, undefined);
    assert.equal(found.servers.length, 1);
  });
});
