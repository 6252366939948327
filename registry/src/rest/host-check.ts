import { BlockList, isIP, isIPv6 } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * Whether a request that names `host` (its Host header) was meant for this server: a loopback name
 * or address, or one of `own`. Without this a web page could read the interface through a name of
 * its own that it lets point here later (DNS rebinding).
 */
export function isOwnHost(host: string | undefined, own: readonly (string | undefined)[]): boolean {
  if (host === undefined || !URL.canParse(`http://${host}`)) return false;
  const { hostname } = new URL(`http://${host}`);
  const name = hostname.replace(/^\[(.*)\]$/, '$1');
  if (name === 'localhost' || isLoopback(name)) return true;
  return own.some((each) => each !== undefined && plainAddress(each) === name);
}

function isLoopback(name: string): boolean {
  return isIP(name) !== 0 && loopback.check(name, isIPv6(name) ? 'ipv6' : 'ipv4');
}

/** A socket that takes both IP versions gives an IPv4 address as `::ffff:10.0.0.1`. */
function plainAddress(address: string): string {
  return address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
}
