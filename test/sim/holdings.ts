import type { Publisher } from '@rowfs/registry';
import type { VirtualNode } from './virtual-node.ts';

/** A `latest` record whose publish was acknowledged. */
export interface Publication {
  readonly appliance: string;
  readonly version: string;
  readonly record: Uint8Array;
}

/** Publishes `version` of `name` through `node`, whose NFS server is said to have it. */
export async function publishRecord(
  publisher: Publisher,
  node: VirtualNode,
  name: string,
  version: string,
): Promise<Publication> {
  const servers = [{ host: '192.0.2.1', port: 2049, exportPath: `/srv/${name}` }];
  const { appliance } = await publisher.publish({ name, version, servers, manifest: null });
  const record = node.tables.newestSeen(appliance);
  if (record === undefined) throw new Error(`${appliance} was published and never seen`);
  return { appliance, version, record: record.bytes };
}

const AUDITOR = 'auditor';

/** How many of `nodes` hold exactly this record: asked of each, past the network. */
export async function countHolders(
  nodes: Iterable<VirtualNode>,
  { appliance, record }: Publication,
): Promise<number> {
  const request = { op: 'get-latest', appliance } as const;
  let holders = 0;
  for (const { core } of nodes) {
    const answer = await core.host?.handle<'get-latest'>(AUDITOR, request);
    const held = answer?.record ?? undefined;
    if (held !== undefined && Buffer.compare(held, record) === 0) holders += 1;
  }
  return holders;
}
