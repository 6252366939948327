import { join } from 'node:path';
import type { Logger } from 'pino';
import { Bootstrap } from './bootstrap.ts';
import { spreadRevocations } from './fleet/admission.ts';
import type { Membership } from './fleet/membership.ts';
import { systemDns, type DnsResolver } from './bootstrap-names.ts';
import { systemClock, type Clock } from './clock.ts';
import { RegistryError } from './errors.ts';
import { generateIdentity, loadOrCreateKey, type Identity } from './identity.ts';
import { KadRouting } from './kad-routing.ts';
import { startLibp2p } from './libp2p-node.ts';
import { checkNodeAddresses } from './node-address.ts';
import { createNodeCore } from './node-core.ts';
import { Libp2pTransport } from './protocol/libp2p-transport.ts';
import type { Peer } from './protocol/messages.ts';
import { RememberedPeers } from './remembered-peers.ts';
import { diskStore, memoryStore, type Store } from './store.ts';
import type { Tables } from './tables.ts';

/** When the first self-lookup runs after the first peer came: earlier the table is too thin. */
const FIRST_SELF_LOOKUP_MS = 250;
const SELF_LOOKUP_INTERVAL_MS = 30_000;

/** Where key, records and floors live: in a directory, or in memory with a fresh key. */
export type NodeData = { readonly dataDir: string } | { readonly ephemeral: true };

/** How to start a node. */
export type RegistryNodeOptions = NodeData & RegistryNodeSettings;

/** How a node takes part in the network. */
export interface RegistryNodeSettings {
  /** Multiaddrs to listen on, e.g. `/ip4/0.0.0.0/tcp/4711`; none for a client that only dials. */
  readonly listen: readonly string[];
  /** Multiaddrs to tell others instead of those listened on (behind a NAT). */
  readonly announce?: readonly string[];
  /** The IP address of this machine that connections to other nodes leave from, instead of the system's choice. */
  readonly dialFrom?: string;
  /**
   * Multiaddrs of nodes to join through, besides those remembered in the data directory: of
   * addresses, of names (`/dns4/HOST/tcp/4711`), or of a name whose TXT records list more of them
   * (`/dnsaddr/HOST`). `/p2p/PEERID` at the end is optional.
   */
  readonly bootstrap: readonly string[];
  /** Resolves the names in `bootstrap`; the system's by default. */
  readonly dns?: DnsResolver;
  /** A server stores records for others; a client only asks. */
  readonly mode: 'server' | 'client';
  readonly logger: Logger;
  /** Start a client even if no bootstrap node answers, and keep trying: for booting from the last answer. */
  readonly allowOffline?: boolean;
  /** This key instead of the node's own. */
  readonly identity?: Identity;
  /** The private fleet that this node is of; without it, it takes part in an open network. */
  readonly fleet?: Membership;
  readonly clock?: Clock;
}

/** A running node of the registry. */
export interface RegistryNode {
  readonly peerId: string;
  readonly identity: Identity;
  readonly mode: 'server' | 'client';
  readonly tables: Tables;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether at least one other registry node is known and reachable. */
  readonly isConnected: boolean;
  /** Where others reach this node: multiaddrs with the peer id at the end. */
  addresses(): string[];
  /** The registry nodes in the routing table. */
  peers(): Promise<readonly Peer[]>;
  close(): Promise<void>;
}

/**
 * Starts a node and joins the network. A server without reachable bootstrap nodes works alone and
 * keeps trying; a client gives up, because it could answer nothing.
 *
 * @throws RegistryError INVALID_ADDRESS, REGISTRY_UNREACHABLE, LISTEN_FAILED, STORE_FAILED,
 *   KEY_UNREADABLE, KEY_PERMISSIONS
 */
export async function createRegistryNode(options: RegistryNodeOptions): Promise<RegistryNode> {
  const { mode, logger, clock = systemClock } = options;
  checkNodeAddresses([...options.listen, ...(options.announce ?? []), ...options.bootstrap]);
  const { identity, store } = await openData(options);
  const cleanup: (() => Promise<void>)[] = [() => store.close()];
  const close = async (): Promise<void> => {
    for (let step = cleanup.pop(); step !== undefined; step = cleanup.pop()) await step();
  };
  try {
    const { libp2p, kadTable } = await startLibp2p({ ...options, identity });
    cleanup.push(async () => libp2p.stop());
    if (options.fleet !== undefined) await spreadRevocations(libp2p, options.fleet, logger);
    const routing = new KadRouting(libp2p, kadTable, logger);
    const transport = new Libp2pTransport(libp2p, clock);
    const addresses = (): string[] => libp2p.getMultiaddrs().map((address) => address.toString());
    const self = (): Peer => ({ id: identity.peerId, addresses: addresses() });
    const { host, absent, replicas, tables, upkeep } = createNodeCore({
      self,
      mode,
      transport,
      routing,
      store,
      clock,
      isCutOff: () => options.bootstrap.length > 0 && routing.size === 0,
    });
    routing.onPeerGone((peer) => absent.add(peer));
    if (host !== undefined) await transport.serve(host.handle, logger);
    cleanup.push(() => replicas.close());
    cleanup.push(() => transport.close());

    const bootstrap = new Bootstrap({
      addresses: options.bootstrap,
      dns: options.dns ?? systemDns,
      remembered: new RememberedPeers(store),
      libp2p,
      routing,
      clock,
      logger,
      refresh: async () => {
        await replicas.refreshNeighbours();
        await upkeep?.round();
      },
      firstRefreshMs: FIRST_SELF_LOOKUP_MS,
      refreshIntervalMs: SELF_LOOKUP_INTERVAL_MS,
    });
    cleanup.push(async () => {
      await bootstrap.close();
      await upkeep?.leave();
    });
    const joined = await bootstrap.start();
    if (!joined && mode === 'client' && options.allowOffline !== true) {
      throw unreachable(options.bootstrap);
    }
    return {
      peerId: identity.peerId,
      identity,
      mode,
      tables,
      store,
      clock,
      logger,
      get isConnected() {
        return routing.size > 0;
      },
      addresses,
      peers: () => routing.all(),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openData(
  options: RegistryNodeOptions,
): Promise<{ identity: Identity; store: Store }> {
  if ('ephemeral' in options) {
    return { identity: options.identity ?? generateIdentity(), store: memoryStore() };
  }
  const { dataDir } = options;
  const identity = options.identity ?? (await loadOrCreateKey(join(dataDir, 'node.key')));
  return { identity, store: await diskStore(join(dataDir, 'registry')) };
}

function unreachable(bootstrap: readonly string[]): RegistryError {
  return new RegistryError(
    'REGISTRY_UNREACHABLE',
    bootstrap.length === 0
      ? 'no registry to ask: give the address of a registry node, e.g. /ip4/10.0.0.1/tcp/4711'
      : `no registry node answers at ${bootstrap.join(', ')}`,
  );
}
