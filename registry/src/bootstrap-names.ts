import { Resolver } from 'node:dns/promises';
import { messageOf } from './errors.ts';
import { parseNodeAddress } from './node-address.ts';

/** What is asked of DNS; as in `node:dns/promises`. */
export interface DnsResolver {
  resolveTxt(name: string): Promise<string[][]>;
  resolve4(name: string): Promise<string[]>;
  resolve6(name: string): Promise<string[]>;
}

const TIMEOUT_MS = 2000;
/** The system's servers. */
export const systemDns: DnsResolver = new Resolver({ timeout: TIMEOUT_MS, tries: 2 });

/** A `/dnsaddr` may name another one; so often, and no more. */
const MAX_DEPTH = 4;
/** What one list of bootstrap nodes may come to: the answers of DNS are not to be trusted. */
const MAX_ADDRESSES = 64;

/**
 * The addresses that `addresses` stand for: names are resolved, `/dnsaddr/HOST` through the TXT
 * records `dnsaddr=MULTIADDR` of `_dnsaddr.HOST` (multiformats/multiaddr, protocols/DNSADDR.md),
 * everything else is as it was. Names that DNS does not know are told to `onUnresolved` and left out.
 */
export async function resolveBootstrap(
  addresses: readonly string[],
  dns: DnsResolver,
  onUnresolved: (name: string, reason: string) => void,
): Promise<string[]> {
  const found = await Promise.all(
    addresses.map(async (address) => {
      try {
        return await resolveOne(address, dns, MAX_DEPTH);
      } catch (error) {
        onUnresolved(address, messageOf(error));
        return [];
      }
    }),
  );
  return [...new Set(found.flat())].slice(0, MAX_ADDRESSES);
}

async function resolveOne(address: string, dns: DnsResolver, depth: number): Promise<string[]> {
  const [first, ...rest] = parseNodeAddress(address).getComponents();
  const tail = address.split('/').slice(3).join('/');
  const name = first?.value ?? '';
  switch (first?.name) {
    case 'dns4':
      return (await dns.resolve4(name)).map((ip) => `/ip4/${ip}/${tail}`);
    case 'dns6':
      return (await dns.resolve6(name)).map((ip) => `/ip6/${ip}/${tail}`);
    case 'dns': {
      const [four, six] = await Promise.allSettled([dns.resolve4(name), dns.resolve6(name)]);
      if (four.status === 'rejected' && six.status === 'rejected') throw four.reason;
      return [
        ...(four.status === 'fulfilled' ? four.value.map((ip) => `/ip4/${ip}/${tail}`) : []),
        ...(six.status === 'fulfilled' ? six.value.map((ip) => `/ip6/${ip}/${tail}`) : []),
      ];
    }
    case 'dnsaddr': {
      if (depth === 0) throw new Error(`${name} leads from one name to the next too often`);
      const wanted = rest.find((component) => component.name === 'p2p')?.value;
      const texts = (await dns.resolveTxt(`_dnsaddr.${name}`)).map((parts) => parts.join(''));
      const listed = texts
        .flatMap((text) => (text.startsWith('dnsaddr=') ? [text.slice('dnsaddr='.length)] : []))
        .filter((each) => wanted === undefined || each.endsWith(`/p2p/${wanted}`))
        .slice(0, MAX_ADDRESSES);
      const resolved = await Promise.allSettled(
        listed.map((each) => resolveOne(each, dns, depth - 1)),
      );
      return resolved.flatMap((each) => (each.status === 'fulfilled' ? each.value : []));
    }
    case undefined:
    default:
      return [address];
  }
}
