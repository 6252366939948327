import type { RegistryNode } from '../node.ts';
import { countSharers, type VersionRef } from '../sharer-lease.ts';
import { isDeletable } from './retirement.ts';

/** The data of one version, as the server that has it handles it. */
export interface ServedData {
  /** From when this resolves until `resume()`, nobody reads it. */
  suspend(): Promise<void>;
  resume(): Promise<void>;
  /** Deletes it all; resolves to the bytes of the disk that are free again. */
  delete(): Promise<number>;
}

/**
 * Deletes the data of a version if its publisher's newest record permits it and nobody uses it now.
 * Resolves to the bytes that are free again, or to undefined when the data stays: then it is served on.
 *
 * The record is read anew after serving ended. Who publishes the version again withdraws the permission
 * first and then reads each server: a server that was read is one that will see the withdrawal here.
 *
 * @throws RegistryError of reading the registry, and whatever `data` throws; it is served on then, unless
 *   the deletion itself failed
 */
export async function deletePermittedData(
  node: RegistryNode,
  ref: VersionRef,
  data: ServedData,
): Promise<number | undefined> {
  if (!(await isUnused(node, ref))) return undefined;
  await data.suspend();
  let goes = false;
  try {
    goes = (await isPermitted(node, ref)) && (await isUnused(node, ref));
  } finally {
    if (!goes) await data.resume();
  }
  return goes ? data.delete() : undefined;
}

async function isPermitted(
  node: RegistryNode,
  { appliance, version }: VersionRef,
): Promise<boolean> {
  const { record } = await node.tables.getLatest(appliance);
  return record !== undefined && isDeletable(record.payload, version);
}

async function isUnused(node: RegistryNode, ref: VersionRef): Promise<boolean> {
  const { count, complete } = await countSharers(node, ref);
  return complete && count === 0;
}
