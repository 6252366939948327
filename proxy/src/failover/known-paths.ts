import type { Filehandle, Filename } from '@rowfs/nfs3';
import type { LowerPaths } from '../inspect/lower-paths.ts';
import type { RecordReader } from '../store/record-reader.ts';
import { NodeHandles, type NodeId, ROOT_NODE } from './node-handle.ts';
import {
  childKey,
  decodeNames,
  decodeNodeId,
  namesKey,
  type NodeName,
  TABLE_ID_KEY,
} from './path-records.ts';

/** Where objects of the image are, as far as anybody asked for them: the path table, only read. */
export class KnownPaths implements LowerPaths {
  readonly root = ROOT_NODE;
  readonly #records: RecordReader;
  readonly #handles: NodeHandles;

  /** Undefined when `records` have no path table: the shadow was not over the failover layer. */
  static of(records: RecordReader): KnownPaths | undefined {
    const id = records.get(TABLE_ID_KEY);
    return id && new KnownPaths(records, id);
  }

  private constructor(records: RecordReader, id: Buffer) {
    this.#records = records;
    this.#handles = new NodeHandles(id);
  }

  /** The node of a handle; undefined when it is none of this table. */
  node(handle: Filehandle): NodeId | undefined {
    const node = this.#handles.decode(handle);
    return typeof node === 'number' ? node : undefined;
  }

  handle(node: NodeId): Filehandle {
    return this.#handles.encode(node);
  }

  /** All names that are known of a node, none for the root; undefined for an unknown node. */
  names(node: NodeId): readonly NodeName[] | undefined {
    if (node === ROOT_NODE) return [];
    const stored = this.#records.get(namesKey(node));
    return stored && decodeNames(stored);
  }

  child(parent: NodeId, name: Filename): NodeId | undefined {
    const stored = this.#records.get(childKey(parent, name));
    return stored && decodeNodeId(stored);
  }

  /** The names from the root to a node by its first known name; undefined for an unknown node. */
  path(node: NodeId): readonly Filename[] | undefined {
    const path: Filename[] = [];
    for (let at = node; at !== ROOT_NODE;) {
      const [first] = this.names(at) ?? [];
      // A directory is known before what is in it; a table that is broken must not be walked forever.
      if (first === undefined || first.parent >= at) return undefined;
      path.unshift(first.name);
      at = first.parent;
    }
    return path;
  }
}
