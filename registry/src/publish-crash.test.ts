/** A publish is killed before and after each of its calls to the registry, and run again. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { planGc, versionsToDelete } from './gc/plan.ts';
import { readGcWorld } from './gc/world.ts';
import { generateIdentity } from './identity.ts';
import type { RegistryNode } from './node.ts';
import { createPublisher } from './publisher.ts';
import { createResolver } from './resolver.ts';
import type { Tables } from './tables.ts';
import { patiently } from './twin/patiently.ts';
import { createTwinNetwork } from './twin/twin-network.ts';

type Moment = 'before' | 'after';

const never = new Promise<never>(() => undefined);
const server = (host: string) => ({ host, port: 2049, exportPath: '/srv' });
const named = { name: 'debian', manifest: null };
const v1 = { ...named, version: 'v1', servers: [server('a')] };
const v2 = { ...named, version: 'v2', servers: [server('a'), server('b')] };

describe('a publish that is killed', () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rowfs-publish-crash-'));
  });
  after(() => rm(directory, { recursive: true }));

  /** Resolves to which call was the last, or to undefined when the publish came to its end. */
  async function killAndRepeat(callNumber: number, moment: Moment): Promise<string | undefined> {
    const { nodes, clock } = await createTwinNetwork(5);
    const node = nodes[0]!;
    const key = generateIdentity();
    const stateDir = await mkdtemp(join(directory, 'state-'));
    const publisherOn = (on: RegistryNode) =>
      createPublisher({ node: on, key, stateDir, verifyServer: async () => undefined });
    const publisher = publisherOn(node);
    const appliance = publisher.applianceId('debian');
    await patiently(clock, publisher.publish(v1));

    const victim = mortal(node.tables, callNumber, moment);
    const publishing = publisherOn({ ...node, tables: victim.tables }).publish(v2);
    const killed = await patiently(
      clock,
      Promise.race([victim.killed, publishing.then(() => undefined)]),
    );
    // The process that it stands for is dead, and its lock would be taken over; this one lives.
    await rm(join(stateDir, 'publisher.lock'), { force: true });

    const resolve = () => patiently(clock, createResolver(nodes[1]!).resolve(appliance));
    const seen = await resolve();
    assert.ok(seen.servers.length > 0, `${seen.version} is seen with servers`);
    if (seen.version === 'v2') {
      assert.deepEqual(seen.servers.map(({ address }) => address.host).sort(), ['a', 'b']);
    }
    const world = await patiently(clock, readGcWorld(node, publisher, appliance));
    const collected = versionsToDelete(planGc(world, { keep: 1, graceSeconds: 0, pins: [] }));
    assert.ok(!collected.includes('v2'), 'what is being published is kept');

    await patiently(clock, publisher.publish(v2));
    const { version, servers, latest } = await resolve();
    assert.deepEqual([version, servers.length], ['v2', 2]);
    assert.deepEqual(
      latest.history.map((entry) => entry.version),
      ['v2', 'v1'],
    );
    assert.deepEqual(await publisher.inFlight(appliance), []);
    return killed;
  }

  for (const moment of ['before', 'after'] as const) {
    it(`is repeated whole, wherever it was: ${moment} each of its calls`, async () => {
      const calls: string[] = [];
      for (;;) {
        const killed = await killAndRepeat(calls.length, moment);
        if (killed === undefined) break;
        calls.push(killed);
      }
      // Servers, each read back, come before the record; the record is read back, too.
      const steps = calls.filter((call) => call.startsWith('put') || call.startsWith('count'));
      assert.deepEqual(steps, [
        'putServer',
        'countServerHolders',
        'putServer',
        'countServerHolders',
        'putLatest',
        'countLatestHolders',
      ]);
    });
  }
});

/** The tables of a process that is killed before or after its call number `callNumber`, from 0. */
function mortal(
  tables: Tables,
  callNumber: number,
  moment: Moment,
): { readonly tables: Tables; readonly killed: Promise<string> } {
  const killed = Promise.withResolvers<string>();
  let calls = 0;
  const mortalTables = new Proxy(tables, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      // Only this one asks nobody.
      if (typeof value !== 'function' || name === 'newestSeen') {
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      }
      return (...args: unknown[]): unknown => {
        const isLast = calls === callNumber;
        calls += 1;
        // What is dead neither acts nor reacts any more.
        if (calls > callNumber + 1) return never;
        if (isLast && moment === 'before') {
          killed.resolve(String(name));
          return never;
        }
        const result = Reflect.apply(value, target, args) as Promise<unknown>;
        if (!isLast) return result;
        void result.then(() => killed.resolve(String(name)));
        return never;
      };
    },
  });
  return { tables: mortalTables, killed: killed.promise };
}
