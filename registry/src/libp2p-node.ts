import { noise } from '@chainsafe/libp2p-noise';
import { identify } from '@libp2p/identify';
import type { Libp2p, PeerId } from '@libp2p/interface';
import { kadDHT, passthroughMapper, type KadDHT } from '@libp2p/kad-dht';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { messageOf, RegistryError } from './errors.ts';
import { membersOnly } from './fleet/admission.ts';
import type { Membership } from './fleet/membership.ts';
import type { Identity } from './identity.ts';

/** What we use of kad-dht's routing table; its published type shows only `size`. */
export interface KadTable {
  readonly size: number;
  closestPeers(key: Uint8Array, options: { count: number }): PeerId[];
  find(peer: PeerId): Promise<PeerId | undefined>;
  add(peer: PeerId): Promise<void>;
  remove(peer: PeerId): Promise<void>;
  addEventListener(
    event: 'peer:add' | 'peer:remove',
    listener: (event: { detail: PeerId }) => void,
  ): void;
}

/** How to start the libp2p side of a node. */
export interface Libp2pOptions {
  readonly identity: Identity;
  readonly listen: readonly string[];
  readonly announce?: readonly string[];
  readonly dialFrom?: string;
  readonly mode: 'server' | 'client';
  /** Of a private fleet: nobody else is answered anything. */
  readonly fleet?: Membership;
}

/**
 * libp2p over TCP, noise and yamux, with kad-dht for the routing table only: the tables have a
 * protocol of their own, because kad's values can go back and its provider records carry no payload.
 *
 * @throws RegistryError LISTEN_FAILED
 */
export async function startLibp2p(
  options: Libp2pOptions,
): Promise<{ libp2p: Libp2p; kadTable: KadTable }> {
  const { fleet } = options;
  const { peerId } = options.identity;
  // Its type names a few of them only: all are net.connect's.
  const dialOpts =
    options.dialFrom === undefined ? {} : { localAddress: options.dialFrom, noDelay: true };
  try {
    const libp2p = await createLibp2p({
      privateKey: options.identity.privateKey,
      addresses: { listen: [...options.listen], announce: [...(options.announce ?? [])] },
      transports: [tcp({ dialOpts })],
      connectionEncrypters: [
        (components) => {
          const encryption = noise()(components);
          return fleet === undefined ? encryption : membersOnly(encryption, fleet, peerId);
        },
      ],
      streamMuxers: [yamux()],
      connectionManager: {
        dialTimeout: 5000,
        // The defaults refuse a fleet on one host: five connections a second, ten in upgrade.
        inboundConnectionThreshold: 1000,
        maxIncomingPendingConnections: 500,
        maxConnections: 2000,
        // Who says nothing makes room for the next.
        inboundUpgradeTimeout: 3000,
      },
      services: {
        identify: identify(),
        ping: ping(),
        dht: kadDHT({
          protocol: '/rowfs/kad/1.0.0',
          clientMode: options.mode === 'client',
          // Keeps private addresses: the default mapper leaves the table of a LAN empty.
          peerInfoMapper: passthroughMapper,
          allowQueryWithZeroPeers: true,
          kBucketSize: 8,
          alpha: 3,
          disjointPaths: 3,
          initialQuerySelfInterval: 100,
          // Our own self-lookups keep the table full; kad-dht's would cost an idle node most of its time.
          querySelfInterval: 600_000,
          networkDialTimeout: { minTimeout: 1500 },
        }),
      },
    });
    return { libp2p, kadTable: kadTableOf(libp2p.services.dht) };
  } catch (error) {
    throw new RegistryError(
      'LISTEN_FAILED',
      `cannot listen on ${options.listen.join(', ')}: ${reasonOf(error)}`,
      { cause: error },
    );
  }
}

/** libp2p tells all addresses' errors at once, each with its stack: the first one's reason will do. */
function reasonOf(error: unknown): string {
  const message = messageOf(error);
  return /Error: (?<reason>.*)/.exec(message)?.groups?.['reason'] ?? message.replace(/\n.*/s, '');
}

function kadTableOf(dht: KadDHT): KadTable {
  if ('routingTable' in dht && isKadTable(dht.routingTable)) return dht.routingTable;
  throw new TypeError('this @libp2p/kad-dht has no routing table we understand');
}

function isKadTable(table: unknown): table is KadTable {
  return (
    typeof table === 'object' &&
    table !== null &&
    ['closestPeers', 'find', 'add', 'remove', 'addEventListener'].every((name) => name in table)
  );
}
