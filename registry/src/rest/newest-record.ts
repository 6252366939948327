import { RegistryError } from '../errors.ts';
import type { RegistryNode } from '../node.ts';
import type { Latest } from '../records/latest.ts';
import { createResolver } from '../resolver.ts';
import { isoTimeOf } from './schemas.ts';

/** What an appliance's publisher says, and until when that is known to have been so. */
export interface NewestRecord {
  readonly latest: Latest;
  /** ISO 8601; null when the registry has just confirmed it. */
  readonly staleSince: string | null;
}

/**
 * The newest record of an appliance, whether or not any server has the version; when the registry
 * cannot tell, the last one this node has seen.
 *
 * @throws RegistryError as `Resolver.resolve`
 */
export async function newestRecord(node: RegistryNode, appliance: string): Promise<NewestRecord> {
  const latest = await readNow(node, appliance);
  if (latest !== undefined) return { latest, staleSince: null };
  const last = await createResolver(node).resolve(appliance);
  return { latest: last.latest, staleSince: isoTimeOf(last.staleSince) };
}

async function readNow(node: RegistryNode, appliance: string): Promise<Latest | undefined> {
  try {
    return (await node.tables.getLatest(appliance)).record?.payload;
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return undefined;
  }
}
