/** What machines without a disk boot from: each in a network of its own, with nothing known of the image before. */
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
import type { Guest } from '../../support/guest.ts';
import { startProcess } from '../../support/process.ts';
import { type Crossed, crossedThrough, relayInNetwork } from '../../support/relay-in-network.ts';
import type { LinkSettings } from '../../support/relay.ts';
import { startRowfs, stateOf } from '../../support/rowfs.ts';
import { type BootCost, bootOnce } from './boot-cost.ts';
import { type ProcessLoad, watchProcess } from './process-load.ts';

const NATIVE_SERVER = fileURLToPath(new URL('native-server.ts', import.meta.url));

/** `manifest` is verified, `plain` believed; `native` is no proxy at all, but a root that is written to at its server. */
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
  /** What the machine does between its two boots: a shell script. */
  readonly compute?: string;
  readonly directory: string;
}

export interface TwoBoots {
  readonly first: BootCost;
  readonly second: BootCost;
  /** Of the proxy, while the machine boots, computes and boots again: none where there is no proxy. */
  readonly loads: readonly ProcessLoad[];
}

/** A machine's compute step may take this long under emulation. */
const COMPUTE_TIMEOUT_MS = 600_000;

/** Switches a machine on twice. */
export async function bootTwice(options: SideOptions): Promise<TwoBoots> {
  const directory = await mkdtemp(join(options.directory, 'side-'));
  const network = await disklessNetwork(directory);
  try {
    const serve = options.kind === 'native' ? serveNative : serveThroughProxy;
    const served = await serve({ ...options, directory }, network);
    try {
      const mac = '52:54:00:77:00:02';
      const machine = await DisklessMachine.connect({ network, directory, name: 'tap0', mac });
      const boots = await watchedBoots(machine, served, options.compute);
      if (options.keepProfiles !== undefined)
        await cp(served.profiles, options.keepProfiles, { recursive: true });
      return boots;
    } finally {
      await served.close();
    }
  } finally {
    await network.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function watchedBoots(
  machine: DisklessMachine,
  { crossed, proxyPid }: Served,
  compute: string | undefined,
): Promise<TwoBoots> {
  const loads: ProcessLoad[] = [];
  const watched = async <Result>(during: () => Promise<Result>): Promise<Result> => {
    if (proxyPid === undefined) return during();
    const { result, load } = await watchProcess(proxyPid, during);
    loads.push(load);
    return result;
  };
  const use = async (guest: Guest): Promise<void> => {
    if (compute !== undefined)
      await watched(() => guest.run(compute, { timeoutMs: COMPUTE_TIMEOUT_MS }));
  };
  const boot = (then?: typeof use): Promise<BootCost> =>
    bootOnce({ machine, crossed, watched, then });
  const first = await boot(use);
  return { first, second: await boot(), loads };
}

interface Served {
  readonly crossed: () => Promise<Crossed>;
  readonly proxyPid: number | undefined;
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
    crossed: () => crossedThrough(server),
    proxyPid: undefined,
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
      ...['--router-advertisements', '--append', KERNEL_OPTIONS, '--rest', '127.0.0.1:0'],
    ],
    rack,
  );
  return {
    crossed: () => relay.crossed(),
    proxyPid: boot.process.pid,
    profiles: known,
    async close() {
      await boot.stop();
      await relay.close();
      await server.close();
    },
  };
}
