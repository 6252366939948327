import { isIPv4 } from 'node:net';
import type { AddressRange } from '@rowfs/boot';
import { InvalidArgumentError } from 'commander';

/** What goes into the configuration of dnsmasq, or a script of iPXE, is held to its form: both are lines. */

export function parseIpv4(text: string): string {
  if (!isIPv4(text)) throw new InvalidArgumentError('expected an IPv4 address, e.g. 10.0.0.1');
  return text;
}

export function parseRange(text: string): AddressRange {
  const [first = '', last = '', ...others] = text.split(',');
  if (others.length > 0 || ![first, last].every((each) => isIPv4(each)))
    throw new InvalidArgumentError('expected FIRST,LAST, e.g. 10.0.0.100,10.0.0.200');
  return { first, last };
}

export function parseLeaseTime(text: string): string {
  if (!/^(?:[1-9]\d*[smhd]?|infinite)$/.test(text))
    throw new InvalidArgumentError('expected e.g. 30m, 12h, 7d or infinite');
  return text;
}

export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535)
    throw new InvalidArgumentError('expected a port, 1 to 65535');
  return port;
}

export function parseOneLine(text: string): string {
  if (/[^\P{Cc}\t]/u.test(text)) throw new InvalidArgumentError('expected one line of text');
  return text;
}
