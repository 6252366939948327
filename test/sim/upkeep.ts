import type { World } from './world.ts';
import type { VirtualNode } from './virtual-node.ts';

/**
 * A quarter as often as a real node looks itself up, and kad-dht's own refreshes would come on top:
 * tables are worse here than in life, and hours pass four times as fast.
 */
const SELF_LOOKUP_INTERVAL_MS = 120_000;

/**
 * Keeps a node's table in order as a real node does: it looks itself up now and then, and joins
 * again when it has lost everybody. Ends when `isUp` says so.
 */
export function keepUp(world: World, node: VirtualNode, isUp: () => boolean): void {
  const refresh = async (): Promise<void> => {
    if (!isUp()) return;
    if (node.isConnected) await node.core.replicas.refreshNeighbours();
    else await world.introduce(node);
    if (isUp()) await node.core.upkeep?.round();
    world.clock.after(SELF_LOOKUP_INTERVAL_MS, () => void refresh());
  };
  // Not all at the same moment: they were not started at the same moment.
  const first = world.random.below(SELF_LOOKUP_INTERVAL_MS);
  world.clock.after(first, () => void refresh());
}
