/**
 * A network for machines that boot over it: a bridge with this side's address, in a namespace of its own, and
 * a cable for each machine. Nothing in it reaches the machine's own network. Needs root.
 */
import { readdir, readlink } from 'node:fs/promises';
import { execa } from 'execa';
import { type Guest, startMachine } from './guest.ts';
import { networkNamespace, type NetworkNamespace } from './network-namespace.ts';
import type { PxeFirmware } from './pxe-firmware.ts';

export const BRIDGE = 'br0';
export const BRIDGE_ADDRESS = '10.77.0.1';
const BRIDGE_ADDRESS_6 = 'fd77::1';

/**
 * What is added to a machine's command line: its console is the test's log; a busy host may keep a virtual CPU
 * waiting for long, which the kernel would take for a lockup, or for a broken timer. The rest saves seconds under
 * emulation, and changes nothing under test.
 */
export const KERNEL_OPTIONS = [
  'console=ttyS0 quiet systemd.show_status=1 watchdog_thresh=60 no_timer_check',
  'mitigations=off cryptomgr.notests=1',
].join(' ');

export type DisklessNetwork = NetworkNamespace & {
  /** Runs a command in it, and gives what it printed. */
  readonly run: (command: string, ...args: string[]) => Promise<string>;
};

export async function disklessNetwork(directory: string): Promise<DisklessNetwork> {
  const namespace = await networkNamespace(directory, 'all');
  const [nsenter, ...before] = namespace.enter;
  const run = async (command: string, ...args: string[]): Promise<string> =>
    (await execa(nsenter, [...before, command, ...args], { timeout: 60_000 })).stdout;
  await run('ip', 'link', 'add', BRIDGE, 'type', 'bridge');
  await run('ip', 'addr', 'add', `${BRIDGE_ADDRESS}/24`, 'dev', BRIDGE);
  await run('ip', 'link', 'set', BRIDGE, 'up');
  // Something that can be advertised: see --router-advertisements.
  await run('ip', 'addr', 'add', `${BRIDGE_ADDRESS_6}/64`, 'dev', BRIDGE, 'nodad');
  return {
    ...namespace,
    run,
    async close() {
      await endAllIn(namespace);
      await namespace.close();
    },
  };
}

/** What was left by those that were killed, such as a dnsmasq, would keep the namespace for ever. */
async function endAllIn({ pid: holder }: NetworkNamespace): Promise<void> {
  const networkOf = (pid: string): Promise<string> =>
    readlink(`/proc/${pid}/ns/net`).catch(() => 'gone');
  const own = await networkOf(String(holder));
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    if (Number(pid) === holder || own === 'gone' || (await networkOf(pid)) !== own) continue;
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
}

/** Connects another machine that is no guest: a namespace with a card on the bridge. */
export async function neighbour(
  network: DisklessNetwork,
  directory: string,
  address: string,
): Promise<NetworkNamespace> {
  const namespace = await networkNamespace(directory, 'all');
  const card = ['peer', 'name', 'eth0', 'netns', String(namespace.pid)];
  await network.run('ip', 'link', 'add', 'neighbour', 'type', 'veth', ...card);
  await network.run('ip', 'link', 'set', 'neighbour', 'master', BRIDGE, 'up');
  const [nsenter, ...before] = namespace.enter;
  await execa(nsenter, [...before, 'ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0']);
  await execa(nsenter, [...before, 'ip', 'link', 'set', 'eth0', 'up']);
  return namespace;
}

export type DisklessOptions = {
  readonly network: DisklessNetwork;
  readonly directory: string;
  readonly name: string;
  /** Of the machine's only card: `52:54:00:77:00:02`. */
  readonly mac: string;
  readonly memoryMiB?: number;
  /** `ipxe`, the default: of the card, as QEMU has it. The others know PXE alone; `uefi` is of the machine. */
  readonly firmware?: 'ipxe' | 'uefi' | PxeFirmware;
};

/** Of Debian's package ovmf. */
const UEFI = '/usr/share/ovmf/OVMF.fd';

/** Under emulation, on a busy machine, over a long link. */
const BOOT_TIMEOUT_MS = 400_000;

/** A machine without a disk, to be switched on any number of times. */
export class DisklessMachine {
  readonly #options: DisklessOptions;
  #runs = 0;

  private constructor(options: DisklessOptions) {
    this.#options = options;
  }

  static async connect(options: DisklessOptions): Promise<DisklessMachine> {
    const { network, name } = options;
    await network.run('ip', 'tuntap', 'add', name, 'mode', 'tap');
    await network.run('ip', 'link', 'set', name, 'master', BRIDGE, 'up');
    return new DisklessMachine(options);
  }

  /** Switches it on. `booted` of what is returned resolves when its userland is up. */
  async switchOn(): Promise<Guest> {
    const { network, directory, name, mac, memoryMiB = 512, firmware = 'ipxe' } = this.#options;
    this.#runs += 1;
    const header = typeof firmware === 'object' ? 'off' : 'on';
    const card = `virtio-net-pci,netdev=net0,mac=${mac},bootindex=1`;
    return startMachine(
      {
        ...{ directory, name, memoryMiB, cpus: 2, enter: network.enter },
        arguments: [
          ...['-netdev', `tap,id=net0,ifname=${name},script=no,downscript=no,vnet_hdr=${header}`],
          ...(firmware === 'uefi'
            ? ['-device', `${card},romfile=`, '-bios', UEFI]
            : ['-device', card]),
          ...(typeof firmware === 'object' ? firmware.arguments : []),
        ],
        bootTimeoutMs: BOOT_TIMEOUT_MS,
      },
      this.#runs,
    );
  }
}
