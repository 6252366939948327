import {
  createNodeCore,
  memoryStore,
  type Clock,
  type Identity,
  type NodeCore,
  type Peer,
  type RegistryNode,
} from '@rowfs/registry';
import { pino } from 'pino';
import { BucketTable } from './bucket-table.ts';
import type { KeySpace } from './key-space.ts';
import type { VirtualNetwork } from './virtual-network.ts';

const logger = pino({ level: 'silent' });

/** The real tables of a node, with a table of buckets and the virtual network below. */
export interface VirtualNode extends RegistryNode {
  readonly core: NodeCore;
  readonly routing: BucketTable;
}

export interface VirtualNodeInit {
  readonly identity: Identity;
  readonly mode: 'server' | 'client';
  readonly clock: Clock;
  readonly network: VirtualNetwork;
  readonly space: KeySpace;
}

/** A node that knows nobody yet. */
export function createVirtualNode(init: VirtualNodeInit): VirtualNode {
  const { identity, mode, clock, network, space } = init;
  const { peerId } = identity;
  const self: Peer = { id: peerId, addresses: [] };
  const routing = new BucketTable(peerId, space);
  const store = memoryStore();
  const core = createNodeCore({
    self: () => self,
    mode,
    transport: network.transport(self, mode === 'server'),
    routing,
    store,
    clock,
    isCutOff: () => routing.size === 0,
  });
  if (core.host !== undefined) {
    network.join(peerId, { handle: core.host.handle, meet: (peer) => routing.answered(peer) });
  }
  return {
    peerId,
    identity,
    mode,
    tables: core.tables,
    store,
    clock,
    logger,
    get isConnected() {
      return routing.size > 0;
    },
    addresses: () => [],
    peers: () => routing.closest(new Uint8Array(32), routing.size),
    close: () => core.replicas.close(),
    core,
    routing,
  };
}
