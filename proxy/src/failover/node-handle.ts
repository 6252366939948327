import type { Filehandle } from '@rowfs/nfs3';

/** An object of the served tree, whatever server it is read from; below 2^40. */
export type NodeId = number;

/** The root of the tree: the same in every table. */
export const ROOT_NODE: NodeId = 2;

const HANDLE_BYTES = 16;
const TABLE_ID_BYTES = 8;

/**
 * Makes and reads the handles that the failover layer gives to its clients: the id of the path table
 * that knows the node (8 bytes), then the node id (8 bytes, big-endian).
 */
export class NodeHandles {
  readonly #tableId: Uint8Array;
  readonly #tableIdText: string;

  /** `tableId` is 8 bytes. */
  constructor(tableId: Uint8Array) {
    this.#tableId = tableId;
    this.#tableIdText = Buffer.from(tableId).toString('latin1');
  }

  encode(node: NodeId): Filehandle {
    const handle = new Uint8Array(HANDLE_BYTES);
    handle.set(this.#tableId);
    new DataView(handle.buffer).setBigUint64(TABLE_ID_BYTES, BigInt(node));
    return handle;
  }

  /** The node; `malformed` for what never was one of these; `foreign` for one of another table. */
  decode(handle: Filehandle): NodeId | 'malformed' | 'foreign' {
    if (handle.length !== HANDLE_BYTES) return 'malformed';
    for (let index = 0; index < TABLE_ID_BYTES; index++)
      if (handle[index] !== this.#tableId[index]) return 'foreign';
    const view = new DataView(handle.buffer, handle.byteOffset + TABLE_ID_BYTES);
    const node = view.getUint32(0) * 2 ** 32 + view.getUint32(4);
    return Number.isSafeInteger(node) ? node : 'malformed';
  }

  /** The node of a handle of this table as latin1 text; undefined for all else. */
  decodeText(handle: string): NodeId | undefined {
    if (handle.length !== HANDLE_BYTES || !handle.startsWith(this.#tableIdText)) return undefined;
    let node = 0;
    for (let at = TABLE_ID_BYTES; at < HANDLE_BYTES; at++)
      node = node * 256 + handle.charCodeAt(at);
    return Number.isSafeInteger(node) ? node : undefined;
  }
}
