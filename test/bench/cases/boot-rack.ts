import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { debianAppliance } from '../../support/debian-appliance.ts';
import { BRIDGE, BRIDGE_ADDRESS, disklessNetwork } from '../../support/diskless-network.ts';
import { startGanesha } from '../../support/ganesha.ts';
import { relayInNetwork } from '../../support/relay-in-network.ts';
import { startRelay } from '../../support/relay.ts';
import { startRowfs } from '../../support/rowfs.ts';
import { type BenchCase, costRow, summarize } from '../bench-case.ts';
import { imageDigest } from '../boot/image-digest.ts';
import { recordedReads } from '../boot/recorded-reads.ts';
import type { ColdResult, ColdTask } from '../cold/client.ts';
import { residentMemory } from '../resident-memory.ts';

const client = fileURLToPath(new URL('../cold/client.ts', import.meta.url));

const MACHINES = 8;
/** The shorter of the papers' two links. */
const LINK = { roundTripMs: 23, bytesPerSecond: 12_500_000 };
/** Of the boot's READs, in a short run. */
const SHORT_READS = 100;

interface Rack {
  /** Until the last machine has read everything. */
  readonly seconds: number;
  /** That came over the link meanwhile. */
  readonly bytes: number;
  /** Of the boot server's memory, at most; undefined where there is none. */
  readonly residentBytes: number | undefined;
}

/**
 * Machines that boot in the same second, from one boot server behind a long link, beside the same machines with that link
 * each for itself. What a real boot read is replayed by clients at user level, one READ after the other: eight guests under
 * emulation would be what is measured.
 */
export const bootRack: BenchCase = {
  name: 'boot-rack',
  description: `${MACHINES} machines read what a boot reads at once, over one link of ${LINK.roundTripMs} ms`,
  async run({ short, log }) {
    const directory = await mkdtemp(join(tmpdir(), 'rowfs-bench-'));
    try {
      const tree = await debianAppliance();
      const reads = await recordedReads(tree, directory);
      const list = join(directory, 'reads.json');
      await writeFile(list, JSON.stringify(short ? reads.slice(0, SHORT_READS) : reads));
      const measure = async (name: string, run: () => Promise<Rack>): Promise<Rack> => {
        const rack = await run();
        log(`${name} ${JSON.stringify(rack)}`);
        return rack;
      };
      const ours = (machines: number): Promise<Rack> =>
        measure(`ours, ${machines}`, () => bootServerRack({ directory, tree, list, machines }));
      const peer = (machines: number): Promise<Rack> =>
        measure(`peer, ${machines}`, () => ganeshaRack({ directory, tree, list, machines }));
      const [one, all] = [await ours(1), await ours(MACHINES)];
      const [oneBefore, allBefore] = [await peer(1), await peer(MACHINES)];
      const bytes = (what: string, a: Rack, b: Rack, ceiling?: number) =>
        costRow(what, 'MB', { ours: a.bytes / 1e6, peer: b.bytes / 1e6 }, ceiling);
      const time = (what: string, a: Rack, b: Rack, ceiling?: number) =>
        costRow(what, 's', { ours: a.seconds, peer: b.seconds }, ceiling);
      const memory = { ours: (all.residentBytes ?? 0) / 1e6, peer: (one.residentBytes ?? 0) / 1e6 };
      return summarize('boot-rack', [
        bytes(`over the link: ${MACHINES} at once, beside one`, all, one, 1.05),
        time(`${MACHINES} at once, beside NFS over the same link`, all, allBefore, 1 / 2),
        bytes(`over the link: ${MACHINES} at once, beside NFS`, all, allBefore),
        time(`${MACHINES} at once, beside one`, all, one),
        time('one, beside NFS', one, oneBefore),
        costRow(`resident at most: ${MACHINES} machines, beside one`, 'MB', memory),
      ]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
};

interface RackOptions {
  readonly directory: string;
  readonly tree: string;
  readonly list: string;
  readonly machines: number;
}

/** All machines of one `rowfs boot`, with nothing of the image here but its kernel and initrd. */
async function bootServerRack(options: RackOptions): Promise<Rack> {
  const { tree, list } = options;
  const directory = await mkdtemp(join(options.directory, 'rack-'));
  const network = await disklessNetwork(directory);
  try {
    const { enter } = network;
    const serve = ['serve', tree, '--listen', '127.0.0.1:0'];
    const server = await startRowfs<{ port: number }>(serve, {
      ...{ directory, owner: 'server', enter },
    });
    const targetPorts = [server.ready.port];
    const relay = await relayInNetwork(network, directory, { ...LINK, targetPorts });
    const boot = await startRowfs<{ http: string }>(
      [
        ...['boot', '--server', `127.0.0.1:${relay.ports[0] ?? 0}:/`, '--interface', BRIDGE],
        ...['--digest', await imageDigest(tree), '--rest', '127.0.0.1:0'],
      ],
      { directory, owner: 'rack', enter },
    );
    const tasks: ColdTask[] = [];
    for (let machine = 1; machine <= options.machines; machine += 1) {
      const script = `${boot.ready.http}/machines/52:54:00:77:00:0${machine}/boot.ipxe`;
      const asked = `process.stdout.write(await (await fetch('${script}')).text())`;
      const text = await network.run(process.execPath, '--input-type=module', '-e', asked);
      const port = Number(/,port=(\d+)/.exec(text)?.[1]);
      const at = { host: BRIDGE_ADDRESS, port, mountPort: port, path: '/' };
      tasks.push({ ...at, work: { kind: 'recorded', list } });
    }
    const before = (await relay.crossed()).bytes.toClient;
    const seconds = await performAtOnce(tasks, enter);
    const bytes = (await relay.crossed()).bytes.toClient - before;
    const { most } = await residentMemory(boot.process.pid);
    await boot.stop();
    await relay.close();
    await server.close();
    return { seconds, bytes, residentBytes: most };
  } finally {
    await network.close();
  }
}

async function ganeshaRack(options: RackOptions): Promise<Rack> {
  const { tree, list } = options;
  const directory = await mkdtemp(join(options.directory, 'peer-'));
  const ganesha = await startGanesha({ exports: [{ path: tree, access: 'read-only' }], directory });
  const relay = await startRelay({ ...LINK, targetPorts: [ganesha.nfsPort, ganesha.mountPort] });
  try {
    const [port = 0, mountPort = 0] = relay.ports;
    const at = { host: '127.0.0.1', port, mountPort, path: tree };
    const task: ColdTask = { ...at, work: { kind: 'recorded', list } };
    const tasks = Array.from({ length: options.machines }, () => task);
    const seconds = await performAtOnce(tasks, []);
    return { seconds, bytes: relay.bytes.toClient, residentBytes: undefined };
  } finally {
    await relay.close();
    await ganesha.close();
  }
}

/** Each by a process of its own. @returns the seconds that the slowest took */
async function performAtOnce(
  tasks: readonly ColdTask[],
  enter: readonly string[],
): Promise<number> {
  const [command, ...before] = [...enter, process.execPath];
  const results = await Promise.all(
    tasks.map(async (task) => {
      const { stdout } = await execa(command, [...before, client, JSON.stringify(task)]);
      return JSON.parse(stdout) as ColdResult;
    }),
  );
  assert.equal(new Set(results.map(({ bytes }) => bytes)).size, 1, 'all read the same');
  return Math.max(...results.map(({ ms }) => ms)) / 1000;
}
