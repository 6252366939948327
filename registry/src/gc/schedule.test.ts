import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sleep } from '../clock.ts';
import { generateIdentity } from '../identity.ts';
import { createPublisher } from '../publisher.ts';
import { patiently } from '../twin/patiently.ts';
import { createTwinNetwork } from '../twin/twin-network.ts';
import { type GcScheduleOptions, scheduleGc, type ScheduledGc } from './schedule.ts';

const address = { host: 'nas', port: 2049, exportPath: '/srv' };

describe('scheduled gc', () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rowfs-gc-schedule-'));
  });
  after(() => rm(directory, { recursive: true }));

  /** v1 and v2 are published; passes time under a schedule, and returns what was done. */
  async function play(
    options: Pick<GcScheduleOptions, 'everySeconds' | 'pressure'>,
    minutes: number,
  ): Promise<string[]> {
    const { nodes, clock } = await createTwinNetwork(4);
    const node = nodes[0]!;
    const publisher = createPublisher({
      node,
      key: generateIdentity(),
      stateDir: await mkdtemp(join(directory, 'state-')),
      verifyServer: async () => undefined,
    });
    for (const version of ['v1', 'v2']) {
      const request = { name: 'debian', version, servers: [address], manifest: null };
      await patiently(clock, publisher.publish(request));
    }
    const done: string[] = [];
    const schedule = scheduleGc({
      node,
      publisher,
      appliance: publisher.applianceId('debian'),
      policy: { keep: 1, graceSeconds: 3600, pins: [] },
      leaseTtlSeconds: 60,
      onDone: ({ occasion, deletable }: ScheduledGc) =>
        done.push([occasion, ...deletable.map(({ version }) => version)].join(' ')),
      onError: (error) => assert.fail(String(error)),
      ...options,
    });
    await patiently(clock, sleep(clock, minutes * 60_000));
    await patiently(clock, schedule.stop());
    return done;
  }

  it('runs when it is due, and lets go what grace has passed for', async () => {
    const done = await play({ everySeconds: 40 * 60 }, 90);
    assert.deepEqual(done, ['DUE', 'DUE v1']);
  });

  it('runs without grace while the disk is nearly full, but not again and again', async () => {
    const pressure = { belowBytes: 1000, freeBytes: async () => 999 };
    const done = await play({ pressure }, 15);
    assert.deepEqual(done, ['DISK_PRESSURE v1', 'DISK_PRESSURE']);
    const enough = { belowBytes: 1000, freeBytes: async () => 1000 };
    assert.deepEqual(await play({ pressure: enough }, 15), []);
  });
});
