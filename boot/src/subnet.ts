import { BootError } from './boot-error.ts';

/** An IPv4 address of this machine, and the network it is in. */
export interface Subnet {
  /** `10.0.0.1` */
  readonly address: string;
  readonly netmask: string;
}

/** Addresses to give away, first and last. */
export interface AddressRange {
  readonly first: string;
  readonly last: string;
}

export function networkOf(subnet: Subnet): string {
  return textOf(networkNumber(subnet));
}

export function broadcastOf(subnet: Subnet): string {
  return textOf(networkNumber(subnet) + hostsIn(subnet) + 1);
}

/**
 * The half of a network in which this machine is not, the upper one where it may be: what people who give
 * addresses by hand leave free.
 *
 * @throws BootError BAD_SUBNET when there is no room for two addresses
 */
export function defaultRange(subnet: Subnet): AddressRange {
  const network = networkNumber(subnet);
  const hosts = hostsIn(subnet);
  const own = numberOf(subnet.address);
  const last = network + hosts;
  const middle = network + Math.floor(hosts / 2) + 1;
  const range =
    own >= middle && own <= last
      ? { first: network + 1, last: middle - 1 }
      : { first: middle, last };
  if (range.last <= range.first)
    throw new BootError(
      'BAD_SUBNET',
      `the network of ${subnet.address}/${subnet.netmask} has no addresses to give away: say which with --range`,
    );
  return { first: textOf(range.first), last: textOf(range.last) };
}

/** @throws BootError BAD_RANGE when these are not, in this order, addresses of the network */
export function checkRange({ first, last }: AddressRange, subnet: Subnet): void {
  const network = networkNumber(subnet);
  const lowest = network + 1;
  const highest = network + hostsIn(subnet);
  if (lowest <= numberOf(first) && numberOf(first) <= numberOf(last) && numberOf(last) <= highest)
    return;
  throw new BootError(
    'BAD_RANGE',
    `${first} to ${last} is no range of the network of ${subnet.address}/${subnet.netmask}, which has ${textOf(lowest)} to ${textOf(highest)}`,
  );
}

function networkNumber({ address, netmask }: Subnet): number {
  return (numberOf(address) & numberOf(netmask)) >>> 0;
}

/** Addresses between that of the network and that of broadcasts. */
function hostsIn({ netmask }: Subnet): number {
  return Math.max(0, (~numberOf(netmask) >>> 0) - 1);
}

function numberOf(address: string): number {
  return address.split('.').reduce((number, octet) => number * 256 + Number(octet), 0);
}

function textOf(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}
