import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  createPublisher,
  createRegistryNode,
  createResolver,
  generateIdentity,
  type RegistryNode,
} from '@rowfs/registry';
import { pino } from 'pino';
import { startLibp2p } from '../../../registry/src/libp2p-node.ts';
import { parseNodeAddress } from '../../../registry/src/node-address.ts';
import { type BenchCase, type BenchRow, costRow, median, summarize } from '../bench-case.ts';
import { type NodeProcess, processorSeconds, startNodes } from '../registry/node-processes.ts';
import { residentMemory } from '../resident-memory.ts';

const NODES = 24;
const RECORDS = 20;
const HUNG = Math.round(0.3 * NODES);
const P50_BUDGET_MS = 10;
const P99_BUDGET_MS = 40;
const START_BUDGET_MS = 1000;
const RSS_BUDGET_MB = 80;
const CPU_BUDGET_PERCENT = 1;
/** kad-dht fills its tables and ours by itself; the first minute of a network is not what it is like. */
const SETTLE_MS = 15_000;
const SHORT_SETTLE_MS = 5_000;
const logger = pino({ level: 'silent' });

type Lookup = (record: number) => Promise<void>;

/** Lookups through 24 processes, beside kad-dht's own `get` from the same processes. */
export const registryLookup: BenchCase = {
  name: 'registry-lookup',
  description: `lookups of 'latest' among ${NODES} node processes over TCP, beside kad-dht's own get`,
  async run({ short, log }) {
    const rounds = short ? 3 : 15;
    const idleSeconds = short ? 5 : 30;
    const directory = await mkdtemp(join(tmpdir(), 'rowfs-bench-'));
    const closing: (() => Promise<unknown>)[] = [
      () => rm(directory, { recursive: true, force: true }),
    ];
    const rows: BenchRow[] = [];
    const add = (row: BenchRow): void => {
      rows.push(row);
      log(`${row.name.padEnd(60)} ${row.ours.toFixed(1)} ${row.unit}, ${row.ratio.toFixed(2)}x`);
    };
    try {
      const nodes = await startNodes(NODES, directory);
      closing.unshift(() => Promise.all(nodes.map((node) => node.close())));
      await pause(short ? SHORT_SETTLE_MS : SETTLE_MS);
      const bootstrap = nodes.slice(0, 3).flatMap(({ ready }) => ready.addresses);
      const client = await startClient(bootstrap);
      closing.unshift(() => client.close());
      const appliances = await publish(client, directory);
      const kad = await startKad(bootstrap);
      closing.unshift(() => kad.stop());

      for (const row of await idleRows(nodes, idleSeconds)) add(row);
      add(await startRow(bootstrap, appliances, short ? 3 : 7));

      const ours: Lookup = async (record) => {
        const { version } = (await createResolver(client).latest(appliances[record] ?? '')).latest;
        if (version !== '1') throw new Error(`looked up version ${version}`);
      };
      await time(ours);
      await time(kad.get);
      const healthy: Timings = { p50: [], p99: [], peerP50: [], peerP99: [] };
      for (let round = 0; round < rounds; round += 1) {
        record(healthy, await time(ours), await time(kad.get));
      }
      for (const row of comparedRows('all well', healthy)) add(row);

      for (const node of nodes.slice(-HUNG)) node.process.signal('SIGSTOP');
      const hung: Timings = { p50: [], p99: [], peerP50: [], peerP99: [] };
      for (let round = 0; round < rounds; round += 1) {
        record(hung, await time(ours), short ? [0] : await time(kad.get, 2));
      }
      const withHung = (name: string, key: 'p50' | 'p99'): BenchRow =>
        costRow(name, 'ms', { ours: median(hung[key]), peer: median(healthy[key]) }, 1.5);
      add(withHung(`${HUNG} nodes stopped, p50 beside all well`, 'p50'));
      add(withHung(`${HUNG} nodes stopped, p99 beside all well`, 'p99'));
      add(
        costRow(`${HUNG} nodes stopped, p50 beside kad's get`, 'ms', {
          ours: median(hung.p50),
          peer: median(hung.peerP50),
        }),
      );
      return summarize('registry-lookup', rows);
    } finally {
      for (const close of closing) await close();
    }
  },
};

function startClient(bootstrap: readonly string[]): Promise<RegistryNode> {
  return createRegistryNode({ ephemeral: true, listen: [], bootstrap, mode: 'client', logger });
}

/** Puts the records that are looked up, each of an appliance of its own. */
async function publish(node: RegistryNode, stateDir: string): Promise<string[]> {
  const key = generateIdentity();
  const publisher = createPublisher({ node, key, stateDir, verifyServer: async () => undefined });
  const servers = [{ host: '192.0.2.1', port: 2049, exportPath: '/srv' }];
  const appliances: string[] = [];
  for (let i = 0; i < RECORDS; i += 1) {
    const request = { name: `appliance-${i}`, version: '1', servers, manifest: null };
    appliances.push((await publisher.publish(request)).appliance);
  }
  return appliances;
}

/** A kad-dht client with the same settings as our nodes, and as many values put through it. */
async function startKad(bootstrap: readonly string[]) {
  const { libp2p } = await startLibp2p({
    identity: generateIdentity(),
    listen: [],
    mode: 'client',
  });
  await Promise.all(bootstrap.map((address) => libp2p.dial(parseNodeAddress(address))));
  while ((await libp2p.peerStore.all()).length < bootstrap.length) await pause(50);
  await pause(2000);
  // The one kind of value that kad-dht takes without more ado: public keys, by their hash.
  const values = Array.from({ length: RECORDS }, () => {
    const hash = generateIdentity().privateKey.publicKey.toMultihash();
    return { key: Buffer.concat([Buffer.from('/pk/'), hash.bytes]), value: hash.digest };
  });
  for (const { key, value } of values) await libp2p.contentRouting.put(key, value);
  const get: Lookup = async (record) => {
    const sought = values[record];
    if (sought === undefined) throw new Error(`no value ${record}`);
    const value = await libp2p.contentRouting.get(sought.key);
    if (Buffer.compare(value, sought.value) !== 0) throw new Error('got another value');
  };
  return { get, stop: async () => libp2p.stop() };
}

/** One lookup after the other, of `records` of them; in ms. */
async function time(lookup: Lookup, records = RECORDS): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < records; i += 1) {
    const started = performance.now();
    await lookup(i);
    times.push(performance.now() - started);
  }
  return times;
}

interface Timings {
  readonly p50: number[];
  readonly p99: number[];
  readonly peerP50: number[];
  readonly peerP99: number[];
}

/** Of a round's few lookups the slowest stands for p99. */
function record(timings: Timings, ours: readonly number[], peer: readonly number[]): void {
  timings.p50.push(median(ours));
  timings.p99.push(Math.max(...ours));
  timings.peerP50.push(median(peer));
  timings.peerP99.push(Math.max(...peer));
}

function comparedRows(when: string, { p50, p99, peerP50, peerP99 }: Timings): BenchRow[] {
  const row = (name: string, ours: number, peer: number, ceiling: number): BenchRow =>
    costRow(`${when}, ${name}`, 'ms', { ours, peer }, ceiling);
  return [
    row("p50 beside kad's get", median(p50), median(peerP50), 1 / 3),
    row("slowest of 20 beside kad's get", median(p99), median(peerP99), 1 / 3),
    row('p50 beside its budget', median(p50), P50_BUDGET_MS, 1),
    row('slowest of 20 beside the budget for p99', median(p99), P99_BUDGET_MS, 1),
  ];
}

/** From nothing to the first answer: a client starts, joins, looks one record up. */
async function startRow(
  bootstrap: readonly string[],
  appliances: readonly string[],
  times: number,
): Promise<BenchRow> {
  const taken: number[] = [];
  for (let i = 0; i < times; i += 1) {
    const started = performance.now();
    const client = await startClient(bootstrap);
    await createResolver(client).latest(appliances[i] ?? '');
    taken.push(performance.now() - started);
    await client.close();
  }
  const amounts = { ours: median(taken), peer: START_BUDGET_MS };
  return costRow('start to first answer beside its budget', 'ms', amounts, 1);
}

/** What a node costs that nobody asks: the median of all. */
async function idleRows(nodes: readonly NodeProcess[], seconds: number): Promise<BenchRow[]> {
  const used = (): Promise<number[]> =>
    Promise.all(nodes.map(({ process: { pid } }) => processorSeconds(pid)));
  const before = await used();
  await pause(seconds * 1000);
  const after = await used();
  const percent = after.map((value, i) => (100 * (value - (before[i] ?? 0))) / seconds);
  const memory = await Promise.all(
    nodes.map(async ({ process: { pid } }) => (await residentMemory(pid)).now / 1e6),
  );
  return [
    costRow(
      'idle node, processor beside its budget',
      '%',
      { ours: median(percent), peer: CPU_BUDGET_PERCENT },
      1,
    ),
    costRow(
      'idle node, resident memory beside its budget',
      'MB',
      { ours: median(memory), peer: RSS_BUDGET_MB },
      1,
    ),
  ];
}
