import { spawnSync } from 'node:child_process';
import { BootError } from './boot-error.ts';
import type { Subnet } from './subnet.ts';

/** What `ip -json address show` tells of an interface (iproute2). */
interface InterfaceAddresses {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly addr_info: readonly {
    readonly family: string;
    readonly scope: string;
    readonly local: string;
    readonly prefixlen: number;
  }[];
}

/**
 * The IPv4 address and network of an interface, which is what machines reach this one by.
 *
 * @throws BootError INTERFACE_UNUSABLE, naming those that there are
 */
export function subnetOf(name: string): Subnet {
  const all = interfaces();
  const named = all.find(({ ifname }) => ifname === name);
  const subnet = ipv4Of(named);
  if (subnet !== undefined) return subnet;
  const others = all.filter((each) => ipv4Of(each) !== undefined).map(({ ifname }) => ifname);
  throw new BootError(
    'INTERFACE_UNUSABLE',
    `${whyNot(name, named)}; those that can be used are: ${others.join(', ') || 'none'}`,
  );
}

function whyNot(name: string, found: InterfaceAddresses | undefined): string {
  if (found === undefined) return `there is no interface ${name}`;
  if (found.flags.includes('LOOPBACK')) return `no machine reaches ${name}`;
  return `${name} ${found.flags.includes('UP') ? 'has no IPv4 address' : 'is down'}`;
}

/**
 * dnsmasq advertises prefixes that the interface itself has, and nothing without one.
 *
 * @throws BootError INTERFACE_UNUSABLE
 */
export function checkCanAdvertise(name: string): void {
  const addresses = interfaces().find(({ ifname }) => ifname === name)?.addr_info ?? [];
  if (addresses.some(({ family, scope }) => family === 'inet6' && scope === 'global')) return;
  throw new BootError(
    'INTERFACE_UNUSABLE',
    `${name} has no IPv6 address but its link-local one, and router advertisements need one: ip -6 addr add fd77::1/64 dev ${name}`,
  );
}

/** Node's own list leaves out what nothing is connected to, such as the bridge of machines that are all off. */
function interfaces(): readonly InterfaceAddresses[] {
  const { status, stdout } = spawnSync('ip', ['-json', 'address', 'show'], { encoding: 'utf8' });
  if (status === 0) return JSON.parse(stdout) as InterfaceAddresses[];
  throw new BootError(
    'INTERFACE_UNUSABLE',
    'the addresses of this machine cannot be asked for: apt install iproute2',
  );
}

function ipv4Of(of: InterfaceAddresses | undefined): Subnet | undefined {
  if (of?.flags.includes('UP') !== true || of.flags.includes('LOOPBACK')) return undefined;
  const found = of.addr_info.find(({ family }) => family === 'inet');
  return found && { address: found.local, netmask: netmaskOf(found.prefixlen) };
}

function netmaskOf(prefixLength: number): string {
  const bits = prefixLength === 0 ? 0 : (0xffff_ffff << (32 - prefixLength)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join('.');
}
