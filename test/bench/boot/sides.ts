/** A machine without a disk and what it boots from, each time in a network of its own. */
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import {
  BRIDGE,
  type DisklessNetwork,
  disklessNetwork,
  DisklessMachine,
  KERNEL_OPTIONS,
} from '../../support/diskless-network.ts';
import { type Guest, GuestError } from '../../support/guest.ts';
import { startProcess } from '../../support/process.ts';
import { crossedThrough, relayInNetwork } from '../../support/relay-in-network.ts';
import type { LinkSettings } from '../../support/relay.ts';
import { startRowfs, stateOf } from '../../support/rowfs.ts';

const NATIVE_SERVER = fileURLToPath(new URL('native-server.ts', import.meta.url));

/** One boot: how long from switching on to a userland that works, and what it took. */
export interface BootCost {
  readonly seconds: number;
  /** RPC calls of the machine, by procedure of RFC 1813 and in all. */
  readonly calls: Readonly<Record<string, number>>;
  /** RPC calls that crossed the link. */
  readonly callsOverLink: number;
}

export interface TwoBoots {
  readonly first: BootCost;
  readonly second: BootCost;
}

/** What a machine boots from: `manifest` is verified, `plain` believed; `native` is no proxy at all. */
export type SideKind = 'native' | 'plain' | 'manifest';

export interface SideOptions {
  readonly kind: SideKind;
  readonly tree: string;
  readonly digest: string;
  readonly link: LinkSettings;
  /** Boot profiles that are known already: a directory. */
  readonly profiles?: string;
  /** Where those of this run are left. */
  readonly keepProfiles?: string;
  readonly directory: string;
}

/** Switches a machine on twice, with nothing known of the image before the first time. */
export async function bootTwice(options: SideOptions): Promise<TwoBoots> {
  const directory = await mkdtemp(join(options.directory, 'side-'));
  const network = await disklessNetwork(directory);
  try {
    const serve = options.kind === 'native' ? serveNative : serveThroughProxy;
    const served = await serve({ ...options, directory }, network);
    try {
      const mac = '52:54:00:77:00:02';
      const machine = await DisklessMachine.connect({ network, directory, name: 'tap0', mac });
      const first = await boot(machine, served.callsOverLink);
      const second = await boot(machine, served.callsOverLink);
      if (options.keepProfiles !== undefined)
        await cp(served.profiles, options.keepProfiles, { recursive: true });
      return { first, second };
    } finally {
      await served.close();
    }
  } finally {
    await network.close();
    await rm(directory, { recursive: true, force: true });
  }
}

interface Served {
  readonly callsOverLink: () => Promise<number>;
  readonly profiles: string;
  close(): Promise<void>;
}

async function serveNative(
  { tree: original, link, directory }: SideOptions,
  { enter: [command, ...before] }: DisklessNetwork,
): Promise<Served> {
  const tree = join(directory, 'tree');
  await execa('cp', ['-a', '--reflink=auto', original, tree]);
  const server = await startProcess(
    command,
    [...before, ...[process.execPath, NATIVE_SERVER, JSON.stringify({ tree, link, directory })]],
    { name: 'native server', logFile: join(directory, 'native-server.log') },
  );
  await server.waitForLine(/^ready$/m);
  return {
    callsOverLink: async () => (await crossedThrough(server)).records.toServer,
    profiles: '',
    close: () => server.close(),
  };
}

async function serveThroughProxy(
  { kind, tree, digest, link, profiles, directory }: SideOptions,
  network: DisklessNetwork,
): Promise<Served> {
  const { enter } = network;
  const server = await startRowfs<{ port: number }>(['serve', tree, '--listen', '127.0.0.1:0'], {
    directory,
    owner: 'server',
    enter,
  });
  const relay = await relayInNetwork(network, directory, {
    ...link,
    targetPorts: [server.ready.port],
  });
  const rack = { directory, owner: 'rack', enter };
  const known = join(stateOf(rack), 'cache', 'boot-profiles');
  if (profiles !== undefined) {
    await mkdir(known, { recursive: true });
    await cp(profiles, known, { recursive: true });
  }
  const boot = await startRowfs<object>(
    [
      ...['boot', '--server', `127.0.0.1:${relay.ports[0] ?? 0}:/`, '--interface', BRIDGE],
      ...(kind === 'manifest' ? ['--digest', digest] : []),
      ...['--append', KERNEL_OPTIONS, '--rest', '127.0.0.1:0'],
    ],
    rack,
  );
  return {
    callsOverLink: async () => (await relay.crossed()).records.toServer,
    profiles: known,
    async close() {
      await boot.stop();
      await relay.close();
      await server.close();
    },
  };
}

/** The emulator stalls about one boot in sixty: that one is not measured. */
const ATTEMPTS = 3;

async function boot(
  machine: DisklessMachine,
  callsOverLink: () => Promise<number>,
): Promise<BootCost> {
  for (let attempt = 1; ; attempt += 1) {
    const before = await callsOverLink();
    const begin = performance.now();
    const guest = await machine.switchOn();
    try {
      await guest.booted;
      const seconds = (performance.now() - begin) / 1000;
      const calls = await callsOf(guest);
      const overLink = (await callsOverLink()) - before;
      await guest.run('systemctl --no-block poweroff', { timeoutMs: 300_000 });
      await guest.ended;
      return { seconds, calls, callsOverLink: overLink };
    } catch (error) {
      const isLockup = error instanceof GuestError && error.code === 'GUEST_LOCKUP';
      if (!isLockup || attempt === ATTEMPTS) throw error;
    } finally {
      await guest.close();
    }
  }
}

/** The order of the kernel's counters is that of RFC 1813. */
const PROCEDURES =
  'null getattr setattr lookup access readlink read write create mkdir symlink mknod remove rmdir rename link readdir readdirplus fsstat fsinfo pathconf commit'.split(
    ' ',
  );

async function callsOf(guest: Guest): Promise<Record<string, number>> {
  const { stdout } = await guest.run("sed -n 's/^proc3 22 //p' /proc/net/rpc/nfs");
  const counts = stdout.trim().split(' ').map(Number);
  return Object.fromEntries(PROCEDURES.map((name, index) => [name, counts[index] ?? 0]));
}
