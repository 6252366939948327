import { randomBytes } from 'node:crypto';
import type { Filename } from '@rowfs/nfs3';
import type { Logger } from 'pino';
import type { RecordStore } from '../store/record-store.ts';
import { type NodeId, ROOT_NODE } from './node-handle.ts';
import {
  childKey,
  decodeLinked,
  decodeNames,
  decodeNodeId,
  encodeLinked,
  encodeNames,
  encodeNodeId,
  LINKED_TABLE,
  type LinkedFile,
  linkedKey,
  namesKey,
  type NodeName,
  nodeOfKey,
  RESERVED_KEY,
  TABLE_ID_KEY,
} from './path-records.ts';

/** Ids taken from the disk at once. 2^40 ids last for a million starts. */
const ID_BLOCK = 2 ** 20;
const FIRST_NODE: NodeId = 16;

/**
 * Which node id stands for which path of the tree: the part of a handle that means the same on every
 * server and after every restart.
 *
 * Nodes are only added. What was added survives the end of this process once `kept()` resolves, so a
 * handle that was answered stays good. After a power cut the last ones may be gone, but none that a
 * change in the shadow refers to: it is in a later transaction of the same store. An id is never given
 * to another node: ids come from blocks that were taken on stable storage before.
 *
 * With the disk full the tree can still be read, or nobody could start `rm`: additions stay in memory
 * and are written as soon as the disk takes them, and until then would not survive a crash.
 */
export class PathTable {
  readonly #records: RecordStore;
  readonly #logger: Logger;
  /** Files of several names of which not all are known, by {@link kindOf}. */
  readonly #incomplete = new Map<string, Set<NodeId>>();
  /** Ids from `#next` to here may be given. */
  #reserved = FIRST_NODE;
  #next = FIRST_NODE;
  #reserving: Promise<void> | undefined;
  /** It was said that the disk does not take additions, and it has taken none since. */
  #isRefused = false;

  /** 8 random bytes that name this table in handles. */
  readonly id: Uint8Array;

  /**
   * Opens the table that `records` have, or makes it there.
   *
   * @throws what the disk says, when no ids can be reserved on it.
   */
  static async open(records: RecordStore, logger: Logger): Promise<PathTable> {
    // What a process that was killed had kept is among the records then.
    await records.durableFacts();
    let id = records.get(TABLE_ID_KEY);
    if (id === undefined) records.keep(new Map([[TABLE_ID_KEY, (id = randomBytes(8))]]));
    const table = new PathTable(records, id, logger);
    await table.#reserve();
    return table;
  }

  private constructor(records: RecordStore, id: Uint8Array, logger: Logger) {
    this.#records = records;
    this.#logger = logger;
    this.id = new Uint8Array(id);
    const reserved = records.get(RESERVED_KEY);
    if (reserved !== undefined) this.#next = this.#reserved = Number(reserved.toString());
    for (const { key, value } of records.range(LINKED_TABLE, LINKED_TABLE))
      this.#indexLinked(nodeOfKey(key), decodeLinked(value));
  }

  /** The names that a node is known by, none for the root; undefined when there is no such node. */
  names(node: NodeId): readonly NodeName[] | undefined {
    if (node === ROOT_NODE) return [];
    const stored = this.#records.get(namesKey(node));
    return stored && decodeNames(stored);
  }

  child(parent: NodeId, name: Filename): NodeId | undefined {
    const stored = this.#records.get(childKey(parent, name));
    return stored && decodeNodeId(stored);
  }

  /**
   * Adds a node under its first name. `linked` when it is a file of several names.
   *
   * @throws when ids have run out, because no more could be reserved on disk for long.
   */
  add(parent: NodeId, name: Filename, linked: LinkedFile | undefined): NodeId {
    if (this.#reserved - this.#next < ID_BLOCK / 2)
      this.#reserving ??= this.#reserve()
        .catch((error: unknown) => this.#logger.error({ err: error }, 'no ids could be reserved'))
        .finally(() => (this.#reserving = undefined));
    if (this.#next >= this.#reserved)
      throw new Error('no ids of nodes are left: is the disk full?');
    const node = this.#next++;
    this.#name(node, [{ parent, name }], linked);
    return node;
  }

  /** Adds another name of a node. */
  addName(node: NodeId, parent: NodeId, name: Filename): void {
    const linked = this.#records.get(linkedKey(node));
    const names = [...(this.names(node) ?? []), { parent, name }];
    this.#name(node, names, linked && decodeLinked(linked));
  }

  /** Known nodes that a file like this, seen under a name that is not known, may be. */
  possibleNodes(linked: LinkedFile): readonly NodeId[] {
    return [...(this.#incomplete.get(kindOf(linked)) ?? [])];
  }

  /** Resolves when all that was added so far survives this process, if the disk took it. */
  async kept(): Promise<void> {
    try {
      await this.#records.kept();
      this.#isRefused = false;
    } catch (error) {
      if (this.#isRefused) return;
      this.#isRefused = true;
      this.#logger.error({ err: error }, 'handles cannot be written to disk: kept in memory');
    }
  }

  /** The records stay open. */
  async close(): Promise<void> {
    await this.#reserving;
    await this.kept();
  }

  #name(node: NodeId, names: readonly NodeName[], linked: LinkedFile | undefined): void {
    const facts = new Map([[namesKey(node), encodeNames(names)]]);
    const latest = names.at(-1);
    if (latest !== undefined) facts.set(childKey(latest.parent, latest.name), encodeNodeId(node));
    if (linked !== undefined) facts.set(linkedKey(node), encodeLinked(linked));
    this.#records.keep(facts);
    if (linked !== undefined) this.#indexLinked(node, linked);
  }

  /** Takes a block of ids on stable storage before any of them is given. */
  async #reserve(): Promise<void> {
    const reserved = Math.max(this.#next, this.#reserved) + ID_BLOCK;
    this.#records.keep(new Map([[RESERVED_KEY, Buffer.from(String(reserved))]]));
    await this.#records.durableFacts();
    this.#reserved = reserved;
  }

  #indexLinked(node: NodeId, linked: LinkedFile): void {
    const kind = kindOf(linked);
    const nodes = this.#incomplete.get(kind) ?? new Set();
    const names = this.names(node) ?? [];
    if (names.length < linked.nlink) this.#incomplete.set(kind, nodes.add(node));
    else nodes.delete(node);
  }
}

const kindOf = ({ nlink, size }: LinkedFile): string => `${nlink}:${size}`;
