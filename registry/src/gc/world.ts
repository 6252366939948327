import { RegistryError } from '../errors.ts';
import type { RegistryNode } from '../node.ts';
import type { Publisher } from '../publisher.ts';
import { countSharers } from '../sharer-lease.ts';
import type { GcWorld } from './plan.ts';

/**
 * Reads through the DHT all that a gc plan of `appliance` depends on.
 *
 * @throws RegistryError APPLIANCE_NOT_FOUND, REGISTRY_UNREACHABLE; RecordRefusal
 */
export async function readGcWorld(
  node: RegistryNode,
  publisher: Publisher,
  appliance: string,
): Promise<GcWorld> {
  // Marks before the record: a publish that ends in between is then seen by one or the other.
  const inFlight = await publisher.inFlight(appliance);
  const { record, refusals } = await node.tables.getLatest(appliance);
  if (record === undefined) {
    if (refusals[0] !== undefined) throw refusals[0];
    if (node.tables.isCutOff) {
      throw new RegistryError('REGISTRY_UNREACHABLE', 'no other registry node answers');
    }
    throw new RegistryError('APPLIANCE_NOT_FOUND', `${appliance} was never published`);
  }
  const { seq, version, published, channels, history, retired = [] } = record.payload;
  const counted = await Promise.all(
    [...history, ...retired].map(async (entry) => {
      const { count, complete } = await countSharers(node, { appliance, version: entry.version });
      return [entry.version, { count, complete }] as const;
    }),
  );
  return {
    appliance,
    seq,
    current: version,
    published,
    channels,
    history,
    retired,
    inFlight,
    sharers: new Map(counted),
    now: node.clock.now(),
  };
}
