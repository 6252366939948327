import { AbsentPeers } from './absent-peers.ts';
import type { Clock } from './clock.ts';
import type { Peer } from './protocol/messages.ts';
import type { PeerTransport, RoutingTable } from './protocol/peer-transport.ts';
import { RecordUpkeep } from './record-upkeep.ts';
import { Replicas } from './replicas.ts';
import { RoundTrips } from './round-trips.ts';
import type { Store } from './store.ts';
import { createTableHost, type TableHost } from './table-host.ts';
import { Tables } from './tables.ts';

/** How long one request to one peer may take. */
const REQUEST_TIMEOUT_MS = 1500;

/** The network, the time and the storage that a node's tables work with. */
export interface NodeCoreInit {
  /** The node itself, with the addresses it tells others. */
  readonly self: () => Peer;
  readonly mode: 'server' | 'client';
  readonly transport: PeerTransport;
  readonly routing: RoutingTable;
  readonly store: Store;
  readonly clock: Clock;
  /** Whether this node is cut off from a network it was told to be part of. */
  readonly isCutOff: () => boolean;
}

/** The part of a node that is the same on every network. */
export interface NodeCore {
  /** Answers peers' requests; undefined for a client, which stores nothing for others. */
  readonly host: TableHost | undefined;
  /** Told of peers that were lost outside of a lookup. */
  readonly absent: AbsentPeers;
  readonly replicas: Replicas;
  readonly tables: Tables;
  /** Of the records that this node stores for others; undefined for a client. */
  readonly upkeep: RecordUpkeep | undefined;
}

/** Puts the tables of a node together, on libp2p or on any other network. */
export function createNodeCore(init: NodeCoreInit): NodeCore {
  const { self, mode, transport, routing, store, clock, isCutOff } = init;
  const absent = new AbsentPeers(clock);
  const host =
    mode === 'server'
      ? createTableHost(store, routing, absent, clock, (put) => upkeep?.heard(put))
      : undefined;
  const replicas = new Replicas({
    self,
    host: host?.handle,
    transport,
    routing,
    absent,
    roundTrips: new RoundTrips(),
    clock,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  });
  const upkeep =
    host === undefined ? undefined : new RecordUpkeep({ self, store, routing, replicas, clock });
  const tables = new Tables({ replicas, store, clock, isCutOff });
  return { host, absent, replicas, tables, upkeep };
}
