import { mkdirSync, readdirSync } from 'node:fs';
import { stat, truncate, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordStore } from '../store/record-store.ts';
import { laterOf } from './clock.ts';
import { packChunk } from './presence.ts';
import { decodeNode, encodeNode, type Node, nodeKey, presenceKey } from './records.ts';
import { allocatedBytes, ShadowFile, type Unstable } from './shadow-file.ts';
import type { Space } from './space.ts';

/** Open files: descriptors are dear. Unstable ones hold memory too, at least 512 bytes each. */
const MAX_OPEN = 512;
const MAX_UNSTABLE = 256;
const SHARDS = 64;

/** The contents written here, one sparse file for each node that has any, under `data/`. */
export class ShadowFiles {
  readonly #root: string;
  readonly #store: RecordStore;
  readonly #space: Space;
  readonly #onLoss: (error: unknown) => void;
  /** In the order in which they were used last. */
  readonly #files = new Map<number, ShadowFile>();
  /** Those with unstable writes, in the order in which they got them. */
  readonly #unstable = new Set<ShadowFile>();

  constructor(root: string, store: RecordStore, space: Space, onLoss: (error: unknown) => void) {
    this.#root = root;
    this.#store = store;
    this.#space = space;
    this.#onLoss = onLoss;
  }

  file(id: number): ShadowFile {
    let file = this.#files.get(id);
    if (file === undefined) {
      file = new ShadowFile(id, this.#shardPath(id % SHARDS), this.#path(id), (bytes) =>
        this.#space.note(id, bytes),
      );
      this.#closeSome();
    } else {
      this.#files.delete(id);
    }
    this.#files.set(id, file);
    return file;
  }

  /** Notes what was written to the file; its data is with the operating system already. */
  noteUnstable(file: ShadowFile, unstable: Unstable): void {
    file.unstable = unstable;
    this.#unstable.add(file);
  }

  /** The node as clients see it: with what was written to it and is not stable yet. */
  effective(node: Node): Node {
    const unstable = this.#files.get(node.id)?.unstable;
    if (unstable === undefined) return node;
    const { size, mtime } = unstable;
    const used = Math.max(node.used, unstable.used);
    return { ...node, size, used, mtime, ctime: laterOf(node.ctime, unstable.ctime) };
  }

  /**
   * Brings a file's unstable writes to stable storage: first its data, then in one transaction the
   * presence bits with size and times. The caller holds the file's lock.
   *
   * @throws the error of fsync or of the transaction; the unstable writes are lost then, as they
   * are in a crash, for nobody can tell what of them reached the disk.
   */
  async flush(file: ShadowFile): Promise<void> {
    const { unstable } = file;
    if (unstable === undefined) return;
    try {
      await file.sync(unstable.size);
    } catch (error) {
      this.#lose(file);
      this.#onLoss(error);
      throw error;
    }
    const record = this.#store.get(nodeKey(file.id));
    // Removed meanwhile: nothing is left to be kept.
    if (record !== undefined) {
      const node = this.effective(decodeNode(file.id, record));
      const used = node.lowerLimit === 0 ? file.bytesUsed(node.size) : node.used;
      const writes = new Map([[nodeKey(file.id), encodeNode({ ...node, used })]]);
      for (const [index, chunk] of unstable.chunks) {
        writes.set(presenceKey(file.id, index), packChunk(chunk));
      }
      this.#store.stage(writes);
    }
    this.#settle(file);
    try {
      await this.#store.durable();
    } catch (error) {
      this.#cutToRecord(file);
      throw error;
    }
  }

  /** Flushes the file that was written longest ago, when memory for unstable writes runs out. */
  async relieve(): Promise<void> {
    const [oldest] = this.#unstable;
    if (oldest === undefined || this.#unstable.size <= MAX_UNSTABLE) return;
    // A loss is told to all by the verifier, and is not the error of who happens to write now.
    await oldest.lock.run(() => this.flush(oldest)).catch(() => undefined);
  }

  async flushAll(): Promise<void> {
    for (const file of [...this.#unstable]) await file.lock.run(() => this.flush(file));
  }

  /** The node is gone, durably: so goes its file. */
  async discard(id: number): Promise<void> {
    const file = this.file(id);
    await file.lock.run(async () => {
      this.#settle(file);
      await unlink(this.#path(id)).catch(ignoreMissing);
      this.#space.forget(id);
      // A READ that was on its way may still use the descriptor; its node is gone, so is its turn.
      if (file.users > 0) return;
      file.close();
      this.#files.delete(id);
    });
  }

  /** After a failed transaction: forgets all unstable writes, as a crash would have. */
  loseAll(): void {
    for (const file of this.#unstable) this.#lose(file);
  }

  /**
   * Takes stock of what is on the disk: its space is noted, and what a crash left behind is removed,
   * files whose node is gone or was never made, and what others have beyond their size.
   *
   * @returns how many files were removed.
   */
  async takeStock(): Promise<number> {
    let removed = 0;
    for (let shard = 0; shard < SHARDS; shard += 1) {
      for (const name of readdirSync(this.#shardPath(shard))) {
        const id = Number.parseInt(name, 16);
        const path = join(this.#shardPath(shard), name);
        const record = this.#store.get(nodeKey(id));
        if (record === undefined) {
          await unlink(path);
          removed += 1;
          continue;
        }
        const { size } = decodeNode(id, record);
        let stats = await stat(path);
        if (stats.size > size) {
          await truncate(path, size);
          stats = await stat(path);
        }
        this.#space.note(id, allocatedBytes(stats));
      }
    }
    return removed;
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }

  #settle(file: ShadowFile): void {
    file.unstable = undefined;
    this.#unstable.delete(file);
  }

  #lose(file: ShadowFile): void {
    if (file.unstable === undefined) return;
    this.#settle(file);
    this.#cutToRecord(file);
  }

  /** What was written beyond the size that is on record must not show when the file grows again. */
  #cutToRecord(file: ShadowFile): void {
    const record = this.#store.get(nodeKey(file.id));
    if (record !== undefined) file.cut(decodeNode(file.id, record).size);
  }

  #closeSome(): void {
    if (this.#files.size < MAX_OPEN) return;
    for (const [id, file] of this.#files) {
      if (!file.idle) continue;
      file.close();
      this.#files.delete(id);
      return;
    }
  }

  #shardPath(shard: number): string {
    return shardPath(this.#root, shard);
  }

  #path(id: number): string {
    return contentsPath(this.#root, id);
  }
}

/** Where the contents of a node are, below `root`. */
export function contentsPath(root: string, id: number): string {
  return join(shardPath(root, id % SHARDS), id.toString(16));
}

/** The directories that the files of a shadow are in. */
export function shardNames(): string[] {
  return Array.from({ length: SHARDS }, (_, shard) => shardName(shard));
}

/** Makes the directories that the files of a shadow are in, below `root`. */
export function makeShards(root: string): void {
  for (let shard = 0; shard < SHARDS; shard += 1) {
    mkdirSync(shardPath(root, shard), { recursive: true, mode: 0o700 });
  }
}

function shardPath(root: string, shard: number): string {
  return join(root, shardName(shard));
}

function shardName(shard: number): string {
  return shard.toString(16).padStart(2, '0');
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
