import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildImage, digestOf, type Image } from '@rowfs/image';
import { type Logger, pino } from 'pino';
import { BlockCache, type BlockCacheOptions } from '../block-cache/block-cache.ts';
import type { BlockFetcher, Urgency } from '../block-reader/block-fetcher.ts';
import { lookupPath } from '@rowfs/image';

export const BLOCK_SIZE = 4096;

/** Bytes that nothing else has: every block differs from all others. */
export function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = (seed * 2654435761 + 12345) >>> 0;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

/** Images of given files, caches in temporary directories, and what they log. */
export class BlockBench {
  readonly root: string;
  readonly logged: string[] = [];
  readonly logger: Logger;
  readonly #open = new Set<BlockCache>();

  private constructor(root: string) {
    this.root = root;
    this.logger = pino({ level: 'info' }, { write: (line) => void this.logged.push(line) });
  }

  static async make(): Promise<BlockBench> {
    return new BlockBench(await mkdtemp(join(tmpdir(), 'rowfs-blocks-')));
  }

  /** An image of files with these contents. */
  async image(
    files: Readonly<Record<string, Buffer>>,
    name = 'tree',
    blockSize = BLOCK_SIZE,
  ): Promise<Image> {
    const tree = join(this.root, name);
    for (const [path, bytes] of Object.entries(files)) {
      await mkdir(dirname(join(tree, path)), { recursive: true });
      await writeFile(join(tree, path), bytes);
    }
    return (await buildImage(tree, { blockSize })).image;
  }

  get cacheDirectory(): string {
    return join(this.root, 'cache');
  }

  async cache(options: Partial<BlockCacheOptions> = {}): Promise<BlockCache> {
    const cache = await BlockCache.open({
      directory: this.cacheDirectory,
      logger: this.logger,
      maxBytes: 64 * 1024 * 1024,
      reserveBytes: 0,
      ...options,
    });
    this.#open.add(cache);
    return cache;
  }

  async close(): Promise<void> {
    for (const cache of this.#open) await cache.close();
    await rm(this.root, { recursive: true, force: true });
  }
}

/** The bytes of an image's blocks, by their numbers. */
export function blocksOf(image: Image, files: Readonly<Record<string, Buffer>>): Buffer[] {
  const blocks: Buffer[] = [];
  for (const [path, bytes] of Object.entries(files)) {
    const fileid = lookupPath(image, path.split('/'));
    if (fileid === undefined) throw new Error(`no ${path}`);
    for (const { offset, length, stored } of image.blocks(fileid, 0, Infinity))
      if (stored !== undefined) blocks[stored.number] = bytes.subarray(offset, offset + length);
  }
  return blocks;
}

/** Serves blocks from memory, and remembers who asked for what. */
export class MemoryFetcher implements BlockFetcher {
  readonly asked: { readonly number: number; readonly urgency: Urgency }[] = [];
  readonly expected: number[] = [];
  /** Blocks that nobody has. */
  readonly missing = new Set<number>();
  /** While it is set, whoever asks waits for it. */
  gate: Promise<void> | undefined;
  readonly #image: Image;
  readonly #blocks: readonly Buffer[];

  constructor(image: Image, blocks: readonly Buffer[]) {
    this.#image = image;
    this.#blocks = blocks;
  }

  async fetch(number: number, urgency: Urgency): Promise<Buffer> {
    this.asked.push({ number, urgency });
    await this.gate;
    const block = this.#blocks[number];
    if (block === undefined || this.missing.has(number)) throw new Error(`nobody has ${number}`);
    if (!digestOf(block).equals(this.#image.digests(number, 1))) throw new Error('a wrong block');
    return Buffer.from(block);
  }

  expect(fileid: number): void {
    this.expected.push(fileid);
  }

  numbers(urgency?: Urgency): number[] {
    return this.asked
      .filter((each) => urgency === undefined || each.urgency === urgency)
      .map(({ number }) => number);
  }
}
