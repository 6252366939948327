import { VirtualClock } from './virtual-clock.ts';
import { MemoryNetwork } from './memory-network.ts';
import { createTwinNode, type TwinNode } from './twin-node.ts';

/** A whole network in one process, on virtual time. */
export interface TwinNetwork {
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  readonly nodes: readonly TwinNode[];
  /** One more node, joined through the first. */
  add(options?: Partial<Parameters<typeof createTwinNode>[0]>): Promise<TwinNode>;
}

/** Starts `count` storing nodes that know each other; messages take `latencyMs` each way. */
export async function createTwinNetwork(
  count: number,
  latencyMs: () => number = () => 5,
): Promise<TwinNetwork> {
  const clock = new VirtualClock();
  const network = new MemoryNetwork(clock, latencyMs);
  const nodes: TwinNode[] = [];
  const add: TwinNetwork['add'] = (options = {}) => {
    const [via] = nodes;
    return clock.until(
      createTwinNode({ network, clock, ...(via === undefined ? {} : { via }), ...options }),
    );
  };
  for (let i = 0; i < count; i += 1) nodes.push(await add());
  // Those who came first learn of those who came later.
  for (const node of nodes) {
    for (const other of nodes) {
      if (other !== node) node.routing.answered({ id: other.peerId, addresses: [] });
    }
  }
  return { clock, network, nodes, add };
}
