import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { RegistryError } from './errors.ts';

/** @throws RegistryError INVALID_ADDRESS naming the first that is no multiaddr */
export function checkNodeAddresses(addresses: readonly string[]): void {
  for (const address of addresses) {
    try {
      parseNodeAddress(address);
    } catch (error) {
      throw new RegistryError(
        'INVALID_ADDRESS',
        `"${address}" is not the address of a registry node: expected a multiaddr, e.g. /ip4/10.0.0.1/tcp/4711`,
        { cause: error },
      );
    }
  }
}

/** A multiaddr as libp2p wants it; throws what its parser throws. */
export function parseNodeAddress(address: string): Multiaddr {
  return multiaddr(address);
}
