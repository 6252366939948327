/** A virtual machine whose disk is far away, and the ways in which it gets at it, each in a network of its own. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { type DiskAppliance, type DiskFormat, diskPath } from '../../support/disk-appliance.ts';
import { DiskMachine, type DiskMachineOptions, switchOff } from '../../support/disk-machine.ts';
import { type DisklessNetwork, disklessNetwork } from '../../support/diskless-network.ts';
import { GuestError } from '../../support/guest.ts';
import { startProcess } from '../../support/process.ts';
import { crossedThrough, relayInNetwork } from '../../support/relay-in-network.ts';
import type { LinkSettings } from '../../support/relay.ts';
import { startRowfs, stateOf } from '../../support/rowfs.ts';

const DIRECT_SERVER = fileURLToPath(new URL('direct-server.ts', import.meta.url));

/** One boot, from switching on to a userland that works; what was copied for it counts. */
export interface DiskBootCost {
  readonly seconds: number;
  /** That came over the link. */
  readonly bytes: number;
}

export interface DiskBoots {
  readonly first: DiskBootCost;
  /** Undefined where nothing is kept of what was read: it costs what the first did. */
  readonly second: DiskBootCost | undefined;
}

/**
 * `copied` by rsync before the first boot, or `copied-compressed`; `direct`: QEMU's driver and the server, nothing between;
 * through the proxy, `manifest` is verified and `plain` believed.
 */
export type DiskSideKind = 'copied' | 'copied-compressed' | 'direct' | 'plain' | 'manifest';

export interface DiskSideOptions {
  readonly kind: DiskSideKind;
  readonly appliance: DiskAppliance;
  readonly format: DiskFormat;
  readonly link: LinkSettings;
  /** Boot profiles that are known already: a directory. */
  readonly profiles?: string;
  /** Where those of this run are left. */
  readonly keepProfiles?: string;
  readonly directory: string;
}

type Side = DiskSideOptions & Pick<DisklessNetwork, 'enter'>;

interface Served {
  readonly disk: Pick<DiskMachineOptions, 'disk' | 'cache'>;
  /** What has to be done before the first boot. */
  readonly prepare: () => Promise<void>;
  readonly bytesOverLink: () => Promise<number>;
  close(): Promise<void>;
}

const KEEPING_NOTHING: readonly DiskSideKind[] = ['direct', 'plain'];

/** Switches a machine on, and then once more, with nothing known of the disk before the first time. */
export async function bootDisk(options: DiskSideOptions): Promise<DiskBoots> {
  const directory = await mkdtemp(join(options.directory, 'side-'));
  // One that has more addresses than those of its loopback: else ganesha's resolver knows not even 127.0.0.1.
  const network = await disklessNetwork(directory);
  try {
    const { enter } = network;
    const served = await serve({ ...options, directory, enter });
    try {
      const { disk, bytesOverLink } = served;
      const machine = new DiskMachine({ ...disk, directory, enter, format: options.format });
      const begin = performance.now();
      await served.prepare();
      const prepared = { seconds: secondsSince(begin), bytes: await bytesOverLink() };
      const booted = await boot(machine, bytesOverLink);
      const first = {
        seconds: prepared.seconds + booted.seconds,
        bytes: prepared.bytes + booted.bytes,
      };
      const second = KEEPING_NOTHING.includes(options.kind)
        ? undefined
        : await boot(machine, bytesOverLink);
      return { first, second };
    } finally {
      await served.close();
    }
  } finally {
    await network.close();
    await rm(directory, { recursive: true, force: true });
  }
}

function serve(side: Side): Promise<Served> {
  switch (side.kind) {
    case 'copied':
      return serveCopy(side, []);
    case 'copied-compressed':
      return serveCopy(side, ['--compress', '--compress-choice=zstd']);
    case 'direct':
      return serveDirect(side);
    case 'plain':
    case 'manifest':
      return serveThroughProxy(side);
  }
}

async function serveCopy(side: Side, options: readonly string[]): Promise<Served> {
  const { appliance, format, link, directory, enter } = side;
  const [command, ...before] = enter;
  const configuration = join(directory, 'rsyncd.conf');
  await writeFile(
    configuration,
    `use chroot = no\nport = 873\naddress = 127.0.0.1\n[tree]\npath = ${appliance.tree}\n`,
  );
  const server = await startProcess(
    command,
    [...before, 'rsync', '--daemon', '--no-detach', `--config=${configuration}`],
    { name: 'rsync', logFile: join(directory, 'rsync.log') },
  );
  const relay = await relayInNetwork({ enter }, directory, { ...link, targetPorts: [873] });
  const disk = join(directory, `disk.${format}`);
  const url = `rsync://127.0.0.1:${relay.ports[0] ?? 0}/tree/${diskPath(format)}`;
  return {
    disk: { disk, cache: 'writeback' },
    async prepare() {
      await execa(command, [...before, 'rsync', '--whole-file', ...options, url, disk]);
    },
    bytesOverLink: async () => (await relay.crossed()).bytes.toClient,
    async close() {
      await relay.close();
      await server.close();
    },
  };
}

async function serveDirect({ appliance, format, link, directory, enter }: Side): Promise<Served> {
  const tree = join(directory, 'tree');
  await execa('cp', ['-a', '--reflink=auto', appliance.tree, tree]);
  const [command, ...before] = enter;
  const server = await startProcess(
    command,
    [...before, process.execPath, DIRECT_SERVER, JSON.stringify({ tree, link, directory })],
    { name: 'direct server', logFile: join(directory, 'direct-server.log') },
  );
  await server.waitForLine(/^ready$/m);
  return {
    disk: { disk: `nfs://127.0.0.1${tree}/${diskPath(format)}`, cache: 'writeback' },
    prepare: async () => undefined,
    bytesOverLink: async () => (await crossedThrough(server)).bytes.toClient,
    close: () => server.close(),
  };
}

async function serveThroughProxy(side: Side): Promise<Served> {
  const { kind, appliance, format, link, profiles, keepProfiles, directory, enter } = side;
  const server = await startRowfs<{ port: number }>(
    ['serve', appliance.tree, '--listen', '127.0.0.1:0'],
    { directory, owner: 'server', enter },
  );
  const targetPorts = [server.ready.port];
  const relay = await relayInNetwork({ enter }, directory, { ...link, targetPorts });
  const machine = { directory, owner: 'machine', enter };
  const known = join(stateOf(machine), 'cache', 'boot-profiles');
  if (profiles !== undefined) {
    await mkdir(known, { recursive: true });
    await cp(profiles, known, { recursive: true });
  }
  const proxy = await startRowfs<object>(
    [
      ...['proxy', '--server', `127.0.0.1:${relay.ports[0] ?? 0}:/`],
      ...(kind === 'manifest' ? ['--digest', appliance.digest] : []),
      ...['--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0', '--portmap', '111'],
    ],
    machine,
  );
  return {
    // As it should be used with a proxy.
    disk: { disk: `nfs://127.0.0.1/${diskPath(format)}`, cache: 'writethrough' },
    prepare: async () => undefined,
    bytesOverLink: async () => (await relay.crossed()).bytes.toClient,
    async close() {
      await proxy.stop();
      if (keepProfiles !== undefined) await cp(known, keepProfiles, { recursive: true });
      await relay.close();
      await server.close();
    },
  };
}

/** The emulator stalls about one boot in sixty: that one is not measured. */
const ATTEMPTS = 3;

async function boot(
  machine: DiskMachine,
  bytesOverLink: Served['bytesOverLink'],
): Promise<DiskBootCost> {
  for (let attempt = 1; ; attempt += 1) {
    const before = await bytesOverLink();
    const begin = performance.now();
    const guest = await machine.switchOn();
    try {
      await guest.booted;
      const cost = { seconds: secondsSince(begin), bytes: (await bytesOverLink()) - before };
      await switchOff(guest);
      return cost;
    } catch (error) {
      const isLockup = error instanceof GuestError && error.code === 'GUEST_LOCKUP';
      if (!isLockup || attempt === ATTEMPTS) throw error;
    } finally {
      await guest.close();
    }
  }
}

function secondsSince(begin: number): number {
  return (performance.now() - begin) / 1000;
}
