import { mkdirSync, readdirSync } from 'node:fs';
import { stat, truncate, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileWriteKey } from '../store/file-writes.ts';
import type { Writes } from '../store/journal.ts';
import type { RecordStore } from '../store/record-store.ts';
import { laterOf } from './clock.ts';
import { BLOCK_BYTES, blockOf, packChunk } from './presence.ts';
import { decodeNode, encodeNode, type Node, nodeKey, presenceKey } from './records.ts';
import { allocatedBytes, ShadowFile, type Unstable } from './shadow-file.ts';
import type { Space } from './space.ts';

/** Open files: descriptors are dear. Unstable ones hold memory too, at least 512 bytes each. */
const MAX_OPEN = 512;
const MAX_UNSTABLE = 256;
const SHARDS = 64;
/**
 * So many blocks of one file go to stable storage through the journal, and not by an fsync of their own.
 * Whole ones: made again after a crash, they must not fall into what was written over them since.
 */
const MAX_JOURNALED_BLOCKS = 4;

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
  noteUnstable(
    file: ShadowFile,
    unstable: Omit<Unstable, 'blocks'>,
    written: { readonly offset: number; readonly count: number },
  ): void {
    file.unstable = { ...unstable, blocks: withBlocks(file.unstable, written) };
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
   * Brings a file's unstable writes to stable storage: its data, and in one transaction the presence bits
   * with size and times. Little data goes with that transaction; much of it goes before it, by an fsync
   * of the file. The caller holds the file's lock.
   *
   * @throws the error of fsync or of the transaction; the unstable writes are lost then, as they
   * are in a crash, for nobody can tell what of them reached the disk.
   */
  async flush(file: ShadowFile): Promise<void> {
    const { unstable } = file;
    if (unstable === undefined) return;
    const grows = unstable.size > (this.#recordedSize(file) ?? Infinity);
    if (unstable.blocks === undefined || (grows && !file.growsWithZeros))
      return this.flushToFile(file);
    const path = this.#journalPath(file);
    const contents = new Map<string, Buffer>();
    for (const block of unstable.blocks) {
      const offset = block * BLOCK_BYTES;
      const length = Math.min(BLOCK_BYTES, unstable.size - offset);
      contents.set(fileWriteKey(path, offset), await file.read(offset, length));
    }
    const writes = this.#stabilized(file, unstable);
    if (writes.size > 0) {
      for (const [key, bytes] of contents) writes.set(key, bytes);
      file.journaled();
    }
    await this.#commit(file, writes);
  }

  /** As {@link flush}, and nothing of the file is in the journal any more: it may be cut. */
  async flushToFile(file: ShadowFile): Promise<void> {
    const { unstable } = file;
    const journaled = this.#store.fileWrites(this.#journalPath(file));
    const size = unstable?.size ?? this.#recordedSize(file);
    if (size === undefined || (unstable === undefined && journaled.length === 0)) return;
    try {
      await file.sync(size, journaled.length > 0);
    } catch (error) {
      this.#lose(file);
      this.#onLoss(error);
      throw error;
    }
    const none = new Map<string, Buffer | undefined>();
    const writes = unstable === undefined ? none : this.#stabilized(file, unstable);
    for (const key of journaled) writes.set(key, undefined);
    await this.#commit(file, writes);
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
      if (this.#space.hasContents(id)) await unlink(this.#path(id)).catch(ignoreMissing);
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

  /** The records that say what was written to the file; none of a file that was removed meanwhile. */
  #stabilized(file: ShadowFile, { chunks }: Unstable): Map<string, Buffer | undefined> {
    const record = this.#store.get(nodeKey(file.id));
    if (record === undefined) return new Map();
    const node = this.effective(decodeNode(file.id, record));
    const used = node.lowerLimit === 0 ? file.bytesUsed(node.size) : node.used;
    const writes = new Map<string, Buffer | undefined>();
    writes.set(nodeKey(file.id), encodeNode({ ...node, used }));
    for (const [index, chunk] of chunks) writes.set(presenceKey(file.id, index), packChunk(chunk));
    return writes;
  }

  async #commit(file: ShadowFile, writes: Writes): Promise<void> {
    if (writes.size > 0) this.#store.stage(writes);
    this.#settle(file);
    try {
      await this.#store.durable();
    } catch (error) {
      this.#cutToRecord(file);
      throw error;
    }
  }

  /** Of the file, among what journaled writes are relative to. */
  #journalPath(file: ShadowFile): string {
    return contentsPath(basename(this.#root), file.id);
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
    const size = this.#recordedSize(file);
    if (size !== undefined) file.cut(size);
  }

  #recordedSize(file: ShadowFile): number | undefined {
    const record = this.#store.get(nodeKey(file.id));
    return record === undefined ? undefined : decodeNode(file.id, record).size;
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

/** The blocks that are unstable by now, as long as they are few. */
function withBlocks(
  unstable: Unstable | undefined,
  { offset, count }: { readonly offset: number; readonly count: number },
): ReadonlySet<number> | undefined {
  const blocks = unstable === undefined ? new Set<number>() : unstable.blocks;
  const [first, last] = [blockOf(offset), blockOf(offset + count - 1)];
  if (blocks === undefined || last - first >= MAX_JOURNALED_BLOCKS) return undefined;
  const all = new Set(blocks);
  for (let block = first; block <= last; block += 1) all.add(block);
  return all.size > MAX_JOURNALED_BLOCKS ? undefined : all;
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
