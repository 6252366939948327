import { RESERVED_NAME } from '@rowfs/image';
import type { Filename } from '@rowfs/nfs3';
import { type NodeId, ROOT_NODE } from './node-handle.ts';

/** Whether a name is rowfs's own, which clients do not see: the manifest in the root of an export. */
export function isReserved(directory: NodeId, name: Filename): boolean {
  return directory === ROOT_NODE && name === RESERVED_NAME;
}
