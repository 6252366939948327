import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { BootError } from './boot-error.ts';
import type { Subnet } from './subnet.ts';

/**
 * The IPv4 address and network of an interface, which is what machines reach this one by.
 *
 * @throws BootError INTERFACE_UNUSABLE, naming those that there are
 */
export function subnetOf(name: string): Subnet {
  const all = networkInterfaces();
  const usable = (each: string): Subnet | undefined => {
    const found = all[each]?.find(({ family, internal }) => family === 'IPv4' && !internal);
    return found && { address: found.address, netmask: found.netmask };
  };
  const subnet = usable(name);
  if (subnet !== undefined) return subnet;
  const others = Object.keys(all).filter((each) => usable(each) !== undefined);
  throw new BootError(
    'INTERFACE_UNUSABLE',
    `${name} is no interface with an IPv4 address that is up; those are: ${others.join(', ') || 'none'}`,
  );
}

/**
 * dnsmasq advertises prefixes that the interface itself has, and nothing without one.
 *
 * @throws BootError INTERFACE_UNUSABLE
 */
export function checkCanAdvertise(name: string): void {
  const isWide = ({ family, scopeid }: NetworkInterfaceInfo): boolean =>
    family === 'IPv6' && scopeid === 0;
  if (networkInterfaces()[name]?.some(isWide) === true) return;
  throw new BootError(
    'INTERFACE_UNUSABLE',
    `${name} has no IPv6 address but its link-local one, and router advertisements need one: ip -6 addr add fd77::1/64 dev ${name}`,
  );
}
