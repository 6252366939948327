import { pino } from 'pino';
import type { Clock } from '../clock.ts';
import { generateIdentity, type Identity } from '../identity.ts';
import { createNodeCore } from '../node-core.ts';
import type { RegistryNode } from '../node.ts';
import type { Peer } from '../protocol/messages.ts';
import type { RecordUpkeep } from '../record-upkeep.ts';
import type { Replicas } from '../replicas.ts';
import { memoryStore, type Store } from '../store.ts';
import { MemoryRoutingTable, type MemoryNetwork } from './memory-network.ts';

/** A node on the in-process network. */
export interface TwinNode extends RegistryNode {
  readonly routing: MemoryRoutingTable;
  readonly replicas: Replicas;
  readonly upkeep: RecordUpkeep | undefined;
}

/** How a twin joins; what is not given is made. */
export interface TwinOptions {
  readonly network: MemoryNetwork;
  readonly clock: Clock;
  readonly mode?: 'server' | 'client';
  readonly identity?: Identity;
  readonly store?: Store;
  /** A node to join through. */
  readonly via?: TwinNode;
}

/** Starts the real tables on the in-process network: only the transport differs from a real node. */
export async function createTwinNode(options: TwinOptions): Promise<TwinNode> {
  const { network, clock, via, mode = 'server' } = options;
  const { identity = generateIdentity(), store = memoryStore() } = options;
  const self: Peer = { id: identity.peerId, addresses: [] };
  const routing = new MemoryRoutingTable(self.id);
  const { host, replicas, tables, upkeep } = createNodeCore({
    self: () => self,
    mode,
    transport: network.transport(self.id),
    routing,
    store,
    clock,
    isCutOff: () => false,
  });
  if (host !== undefined) network.serve(self.id, host.handle);
  if (via !== undefined) {
    routing.answered({ id: via.peerId, addresses: [] });
    await replicas.refreshNeighbours();
    // As libp2p's identify does it: those who were asked know who asked.
    if (mode === 'server') {
      for (const peer of await routing.closest(new Uint8Array(32), 1000)) {
        via.routing.answered(peer);
      }
    }
  }
  return {
    peerId: self.id,
    identity,
    mode,
    tables,
    store,
    clock,
    logger: pino({ level: 'silent' }),
    isConnected: via !== undefined,
    addresses: () => [],
    peers: () => routing.closest(new Uint8Array(32), 1000),
    close: () => replicas.close(),
    routing,
    replicas,
    upkeep,
  };
}
