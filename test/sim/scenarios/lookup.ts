import { createResolver } from '@rowfs/registry';
import { mean, quantile, rounded, shuffled } from '../distributions.ts';
import { countHolders, type Publication, publishRecord } from '../holdings.ts';
import { LookupTrace } from '../lookup-trace.ts';
import type { Figures, Outcome, Scenario, ScenarioOptions } from '../scenario.ts';
import type { VirtualNode } from '../virtual-node.ts';
import { ONE_WAY_MS, World } from '../world.ts';

const APPLIANCES = 20;
const LOOKUPS = 300;
/** How many nodes ask, before the blow takes its share of them. */
const ASKERS = 100;
/** Lookups overlap: a new one begins each time this has passed. */
const EVERY_MS = 50;
/** On how many nodes a record lives; a lookup that meets a majority of them sees every write. */
const REPLICATION = 8;
const MAJORITY = 5;
const ROUND_TRIP_MS = 2 * ONE_WAY_MS;

/** What strikes the network before the lookups: these shares of its nodes. */
interface Blow {
  readonly name: string;
  readonly killed: number;
  readonly hung: number;
}

const blows: readonly Blow[] = [
  { name: 'healthy', killed: 0, hung: 0 },
  { name: 'killed10', killed: 0.1, hung: 0 },
  { name: 'killed30', killed: 0.3, hung: 0 },
  { name: 'hung30', killed: 0, hung: 0.3 },
];

/** Lookups right after the blow, before any table has learnt of it. */
export const lookup: Scenario = {
  name: 'lookup',
  description: 'lookups and reads right after 0, 10 or 30 % of the nodes were killed, or 30 % hung',
  async run(options) {
    const figures: Record<string, Figures> = {};
    const broken: string[] = [];
    let healthyP99: number | undefined;
    for (const blow of blows) {
      const outcome = await strike(options, blow);
      const p99 = Number(outcome.figures['p99Ms']);
      healthyP99 ??= p99;
      const p99AboveHealthyInRoundTrips = rounded((p99 - healthyP99) / ROUND_TRIP_MS);
      figures[blow.name] = { ...outcome.figures, p99AboveHealthyInRoundTrips };
      broken.push(...outcome.broken.map((what) => `${blow.name}: ${what}`));
      options.log(`${blow.name}: ${JSON.stringify(figures[blow.name])}`);
    }
    return { figures: { roundTripMs: ROUND_TRIP_MS, ...figures }, broken };
  },
};

function strike({ nodes, seed }: ScenarioOptions, blow: Blow): Promise<Outcome> {
  return World.run({ seed }, async (world) => {
    world.settle(nodes);
    const owner = await world.clock.until(world.enter('client'));
    const publisher = world.publisherOn(owner);
    const publications: Publication[] = [];
    for (let i = 0; i < APPLIANCES; i += 1) {
      const publishing = publishRecord(publisher, owner, `appliance-${i}`, '1');
      publications.push(await world.clock.until(publishing));
    }
    const askers = await seasoned(world);
    const isWell = deal(world, blow);
    const well = [...world.nodes].filter(isWell);
    const asking = askers.filter(isWell);
    const holders = await Promise.all(publications.map((each) => countHolders(well, each)));
    const found = await lookUpKeys(world, well, asking);
    const readable = publications.filter((_, i) => holders[i] !== 0);
    const read = await readRecords(world, asking, readable);
    return {
      figures: {
        ...found.figures,
        ...read.figures,
        replicasLost: holders.reduce((sum, held) => sum + Math.max(0, REPLICATION - held), 0),
        recordsLost: publications.length - readable.length,
      },
      broken: [...found.broken, ...read.broken],
    };
  });
}

/** Some nodes that have been up for a while: they have looked themselves up, and know how fast others answer. */
async function seasoned({ random, clock, nodes }: World): Promise<VirtualNode[]> {
  const some = shuffled(random, [...nodes]).slice(0, ASKERS);
  await clock.until(Promise.all(some.map(({ core }) => core.replicas.refreshNeighbours())));
  return some;
}

/** Deals the blow, and returns which nodes are as well as before. */
function deal(world: World, { killed, hung }: Blow): (node: VirtualNode) => boolean {
  const all = shuffled(world.random, [...world.nodes]);
  const dead = all.splice(0, Math.round(killed * world.nodes.size));
  const silent = all.splice(0, Math.round(hung * world.nodes.size));
  for (const node of dead) world.kill(node);
  for (const { peerId } of silent) world.network.hang(peerId);
  const well = new Set(all);
  return (node) => well.has(node);
}

/** Where would a record live? Asked for random keys, by random nodes that are well. */
async function lookUpKeys(
  world: World,
  well: readonly VirtualNode[],
  askers: readonly VirtualNode[],
): Promise<Outcome> {
  const { random, clock, network } = world;
  const trace = new LookupTrace();
  network.observe(trace);
  const latencies: number[] = [];
  const hops: number[] = [];
  const messages: number[] = [];
  const broken: string[] = [];
  let missed = 0;
  const lookUp = async (): Promise<void> => {
    const asking = random.pick(askers);
    const key = Uint8Array.from({ length: 32 }, () => random.below(256));
    const way = trace.follow(asking.peerId, key);
    const started = clock.now();
    const { replicas } = await asking.core.replicas.place(key);
    latencies.push(clock.now() - started);
    messages.push(way.messages);
    hops.push(way.hops(replicas));
    const ideal = world.closest(key, well).slice(0, REPLICATION);
    const met = ideal.filter(({ peerId }) => replicas.some(({ id }) => id === peerId)).length;
    missed += ideal.length - met;
    if (met < MAJORITY) {
      const name = Buffer.from(key).toString('hex');
      broken.push(`${asking.peerId} found only ${met} of the ${REPLICATION} nodes for ${name}`);
    }
  };
  await atIntervals(world, lookUp);
  network.observe(undefined);
  const figures = {
    lookups: LOOKUPS,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    hopsMean: rounded(mean(hops), 2),
    hopsMax: Math.max(...hops),
    messagesMean: rounded(mean(messages)),
    messagesMax: Math.max(...messages),
    lookupsLost: broken.length,
    replicasMissed: missed,
  };
  return { figures, broken };
}

/** Which version is newest, and who serves it? Two lookups in a row, with the reads of both tables. */
async function readRecords(
  world: World,
  askers: readonly VirtualNode[],
  publications: readonly Publication[],
): Promise<Outcome> {
  const latencies: number[] = [];
  const broken: string[] = [];
  const read = async (): Promise<void> => {
    const { appliance, version } = world.random.pick(publications);
    const node = world.random.pick(askers);
    const started = world.clock.now();
    try {
      const resolution = await createResolver(node).resolve(appliance);
      if (resolution.version !== version || resolution.staleSince !== undefined) {
        broken.push(`${node.peerId} read version ${resolution.version} of ${appliance}`);
      }
    } catch (error) {
      broken.push(`${node.peerId} could not read ${appliance}: ${String(error)}`);
    }
    latencies.push(world.clock.now() - started);
  };
  await atIntervals(world, read);
  return {
    figures: {
      reads: LOOKUPS,
      readP50Ms: quantile(latencies, 0.5),
      readP99Ms: quantile(latencies, 0.99),
      readsLost: broken.length,
    },
    broken,
  };
}

/** Begins `action` again and again, whether or not earlier ones have ended; then waits for all. */
async function atIntervals({ clock }: World, action: () => Promise<void>): Promise<void> {
  const running: Promise<void>[] = [];
  for (let i = 0; i < LOOKUPS; i += 1) {
    running.push(action());
    await clock.advance(EVERY_MS);
  }
  await clock.until(Promise.all(running));
}
