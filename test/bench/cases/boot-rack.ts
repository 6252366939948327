import assert from 'node:assert/strict';
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { debianAppliance } from '../../support/debian-appliance.ts';
import { BRIDGE, BRIDGE_ADDRESS, disklessNetwork } from '../../support/diskless-network.ts';
import { startGanesha } from '../../support/ganesha.ts';
import { Random } from '../../support/random.ts';
import { relayInNetwork } from '../../support/relay-in-network.ts';
import { startRelay } from '../../support/relay.ts';
import { startRowfs } from '../../support/rowfs.ts';
import { type BenchCase, costRow, summarize } from '../bench-case.ts';
import { imageDigest } from '../boot/image-digest.ts';
import type { ColdResult, ColdTask } from '../cold/client.ts';
import { residentMemory } from '../resident-memory.ts';

const client = fileURLToPath(new URL('../cold/client.ts', import.meta.url));

const MACHINES = 8;
/** The shorter of the papers' two links. */
const LINK = { roundTripMs: 23, bytesPerSecond: 12_500_000 };
/** What the guest of the ROW-FS paper read of its image as it booted. */
const BOOT_BYTES = 16 * 2 ** 20;
const SHORT_BYTES = 4 * 2 ** 20;
const READ_AT_BOOT = ['etc', 'usr/bin', 'usr/lib/systemd', 'usr/lib/x86_64-linux-gnu', 'usr/sbin'];

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
 * each for itself. What they do is replayed by clients at user level, file after file: eight guests under emulation would
 * be what is measured.
 */
export const bootRack: BenchCase = {
  name: 'boot-rack',
  description: `${MACHINES} machines read what a boot reads at once, over one link of ${LINK.roundTripMs} ms`,
  async run({ short, log }) {
    const directory = await mkdtemp(join(tmpdir(), 'rowfs-bench-'));
    try {
      const tree = await debianAppliance();
      const paths = await bootFiles(tree, short ? SHORT_BYTES : BOOT_BYTES);
      const measure = async (name: string, run: () => Promise<Rack>): Promise<Rack> => {
        const rack = await run();
        log(`${name} ${JSON.stringify(rack)}`);
        return rack;
      };
      const ours = (machines: number): Promise<Rack> =>
        measure(`ours, ${machines}`, () => bootServerRack({ directory, tree, paths, machines }));
      const peer = (machines: number): Promise<Rack> =>
        measure(`peer, ${machines}`, () => ganeshaRack({ directory, tree, paths, machines }));
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
  readonly paths: readonly string[];
  readonly machines: number;
}

/** All machines of one `rowfs boot`, with nothing of the image here but its kernel and initrd. */
async function bootServerRack(options: RackOptions): Promise<Rack> {
  const { tree, paths } = options;
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
      tasks.push({ ...at, work: { kind: 'files', paths } });
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
  const { tree, paths } = options;
  const directory = await mkdtemp(join(options.directory, 'peer-'));
  const ganesha = await startGanesha({ exports: [{ path: tree, access: 'read-only' }], directory });
  const relay = await startRelay({ ...LINK, targetPorts: [ganesha.nfsPort, ganesha.mountPort] });
  try {
    const [port = 0, mountPort = 0] = relay.ports;
    const at = { host: '127.0.0.1', port, mountPort, path: tree };
    const task: ColdTask = { ...at, work: { kind: 'files', paths } };
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

/** Paths of files in the tree, always the same, in no order, of so many bytes in all. */
async function bootFiles(tree: string, bytes: number): Promise<string[]> {
  const files: string[] = [];
  for (const directory of READ_AT_BOOT) {
    const entries = await readdir(join(tree, directory), { recursive: true, withFileTypes: true });
    for (const entry of entries)
      if (entry.isFile()) files.push(relative(tree, join(entry.parentPath, entry.name)));
  }
  files.sort();
  const random = new Random(1);
  const chosen: string[] = [];
  for (let left = bytes; left > 0 && files.length > 0;) {
    const [path = ''] = files.splice(random.below(files.length), 1);
    const { size } = await lstat(join(tree, path));
    if (size === 0) continue;
    chosen.push(path);
    left -= size;
  }
  return chosen;
}
