import { randomBytes } from 'node:crypto';
import type { Filename } from '@rowfs/nfs3';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { Logger } from 'pino';
import { type NodeId, ROOT_NODE } from './node-handle.ts';

/** A name of a node in a directory. */
export interface NodeName {
  readonly parent: NodeId;
  readonly name: Filename;
}

/** What tells a file with several names from most others, on any replica of the tree. */
export interface LinkedFile {
  readonly nlink: number;
  /** Bytes. */
  readonly size: number;
}

/** What is kept of a node; an array, because it is stored once per file of the image. */
type NodeRecord = readonly [names: readonly (readonly [NodeId, Filename])[], linked?: LinkedFile];

/** Ids taken from the disk at once. 2^40 ids last for a million starts. */
const ID_BLOCK = 2 ** 20;
const FIRST_NODE: NodeId = 16;
/** Between attempts to write what a full disk did not take. */
const RETRY_MS = 1_000;

/**
 * Which node id stands for which path of the tree: the part of a handle that means the same on every
 * server and after every restart.
 *
 * Nodes are only added. What was added survives a power cut once `durable()` resolves, so a handle
 * that was answered stays good. An id is never given to another node: ids come from blocks that were
 * taken on stable storage before.
 *
 * With the disk full the tree can still be read, or nobody could start `rm`: additions stay in memory
 * and are written as soon as the disk takes them, and until then would not survive a crash.
 */
export class PathTable {
  readonly #root: RootDatabase<unknown, string>;
  readonly #nodes: Database<NodeRecord, NodeId>;
  readonly #names: Database<NodeId, Buffer>;
  /** What was added and is not committed: reads of lmdb do not see it yet. */
  readonly #addedNodes = new Map<NodeId, NodeRecord>();
  readonly #addedNames = new Map<string, NodeId>();
  /** Files of several names of which not all are known, by `nlink:size`. */
  readonly #incomplete = new Map<string, Set<NodeId>>();
  readonly #logger: Logger;
  /** Nodes whose commit failed. */
  readonly #unwritten = new Set<NodeId>();
  /** Ids from `#next` to here may be given. */
  #reserved: NodeId;
  #next: NodeId;
  #reserving: Promise<void> | undefined;
  #committed: Promise<void> = Promise.resolve();
  #additions = 0;
  #durableAdditions = 0;
  #retry: NodeJS.Timeout | undefined;

  /** 8 random bytes that name this table in handles. */
  readonly id: Uint8Array;

  /** Opens the table in a directory of its own, or makes it. */
  static async open(directory: string, logger: Logger): Promise<PathTable> {
    const root = open<unknown, string>({ path: directory, encoding: 'msgpack', maxDbs: 2 });
    let id = root.get('id') as Uint8Array | undefined;
    if (id === undefined) {
      id = randomBytes(8);
      await root.put('id', id);
    }
    const table = new PathTable(root, id, logger);
    try {
      await table.#reserve();
    } catch (error) {
      await root.close();
      throw error;
    }
    return table;
  }

  private constructor(root: RootDatabase<unknown, string>, id: Uint8Array, logger: Logger) {
    this.#root = root;
    this.#logger = logger;
    this.id = new Uint8Array(id);
    this.#nodes = root.openDB({ name: 'nodes', encoding: 'msgpack' });
    this.#names = root.openDB({ name: 'names', encoding: 'msgpack', keyEncoding: 'binary' });
    this.#next = this.#reserved = (root.get('reserved') as NodeId | undefined) ?? FIRST_NODE;
    for (const { key, value } of this.#nodes.getRange()) this.#indexLinks(key, value);
  }

  /** The names that a node is known by, none for the root; undefined when there is no such node. */
  names(node: NodeId): readonly NodeName[] | undefined {
    if (node === ROOT_NODE) return [];
    return this.#node(node)?.[0].map(([parent, name]) => ({ parent, name }));
  }

  child(parent: NodeId, name: Filename): NodeId | undefined {
    const key = nameKey(parent, name);
    return this.#addedNames.get(key) ?? this.#names.get(Buffer.from(key, 'latin1'));
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
    const names = [[parent, name]] as const;
    this.#put(node, linked === undefined ? [names] : [names, linked], parent, name);
    return node;
  }

  /** Adds another name of a node. */
  addName(node: NodeId, parent: NodeId, name: Filename): void {
    const [names, linked] = this.#node(node) ?? [[]];
    const all = [...names, [parent, name] as const];
    this.#put(node, linked === undefined ? [all] : [all, linked], parent, name);
  }

  /** Known nodes that a file like this, seen under a name that is not known, may be. */
  possibleNodes(linked: LinkedFile): readonly NodeId[] {
    return [...(this.#incomplete.get(linkKey(linked)) ?? [])];
  }

  /** Resolves when all that was added so far survives a power cut, if the disk took it. */
  async durable(): Promise<void> {
    const additions = this.#additions;
    if (this.#durableAdditions >= additions) return;
    await this.#committed;
    await this.#root.flushed;
    this.#durableAdditions = Math.max(this.#durableAdditions, additions);
  }

  async close(): Promise<void> {
    clearTimeout(this.#retry);
    await this.#committed;
    await this.#reserving;
    await this.#root.close();
  }

  #node(node: NodeId): NodeRecord | undefined {
    return this.#addedNodes.get(node) ?? this.#nodes.get(node);
  }

  #put(node: NodeId, record: NodeRecord, parent: NodeId, name: Filename): void {
    const key = nameKey(parent, name);
    this.#addedNodes.set(node, record);
    this.#addedNames.set(key, node);
    this.#indexLinks(node, record);
    const written = this.#write(node, record, [[parent, name]]).catch((error: unknown) => {
      this.#logger.error({ err: error }, 'a handle cannot be written to disk');
      this.#unwritten.add(node);
      this.#retry ??= setTimeout(() => this.#writeAgain(), RETRY_MS).unref();
    });
    this.#committed = this.#committed.then(() => written);
    this.#additions += 1;
  }

  /** lmdb commits what is put in one turn of the event loop as one transaction. */
  async #write(node: NodeId, record: NodeRecord, names: NodeRecord[0]): Promise<void> {
    const keys = names.map(([parent, name]) => nameKey(parent, name));
    await Promise.all([
      this.#nodes.put(node, record),
      ...keys.map((key) => this.#names.put(Buffer.from(key, 'latin1'), node)),
    ]);
    this.#unwritten.delete(node);
    if (this.#addedNodes.get(node) === record) this.#addedNodes.delete(node);
    for (const key of keys) this.#addedNames.delete(key);
  }

  #writeAgain(): void {
    this.#retry = undefined;
    for (const node of this.#unwritten) {
      const record = this.#addedNodes.get(node);
      if (record === undefined) continue;
      const written = this.#write(node, record, record[0]).catch(() => {
        this.#retry ??= setTimeout(() => this.#writeAgain(), RETRY_MS).unref();
      });
      this.#committed = this.#committed.then(() => written);
    }
  }

  /** Takes a block of ids on stable storage before any of them is given. */
  async #reserve(): Promise<void> {
    const reserved = Math.max(this.#next, this.#reserved) + ID_BLOCK;
    await this.#root.put('reserved', reserved);
    await this.#root.flushed;
    this.#reserved = reserved;
  }

  #indexLinks(node: NodeId, [names, linked]: NodeRecord): void {
    if (linked === undefined) return;
    const key = linkKey(linked);
    const nodes = this.#incomplete.get(key) ?? new Set();
    if (names.length < linked.nlink) this.#incomplete.set(key, nodes.add(node));
    else nodes.delete(node);
  }
}

const linkKey = ({ nlink, size }: LinkedFile): string => `${nlink}:${size}`;

/** 6 bytes of the parent's id, then the name; as a latin1 string, because Map compares by value. */
function nameKey(parent: NodeId, name: Filename): string {
  const prefix = Buffer.alloc(6);
  prefix.writeUIntBE(parent, 0, 6);
  return prefix.toString('latin1') + name;
}
