import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Image, verifyBlock } from '@rowfs/image';
import { CacheError } from '../block-cache/cache-error.ts';
import type { BlockFetcher } from './block-fetcher.ts';

/** Blocks of an image from a copy of its tree on this machine. */
export class DirectoryFetcher implements BlockFetcher {
  readonly #image: Image;
  readonly #directory: string;

  constructor(image: Image, directory: string) {
    this.#image = image;
    this.#directory = directory;
  }

  /** @throws CacheError WRONG_TREE when the file there is not that of the image. */
  async fetch(blockNumber: number): Promise<Buffer> {
    const { fileid, offset, length, stored } = this.#image.storedBlock(blockNumber);
    // Names are bytes: as latin1 they are these, and no others.
    const inside = Buffer.from(join('/', ...this.#image.path(fileid)), 'latin1');
    const path = Buffer.concat([Buffer.from(this.#directory), inside]);
    const bytes = Buffer.allocUnsafeSlow(length);
    let file: FileHandle | undefined;
    try {
      file = await open(path);
      await file.read(bytes, 0, length, offset);
    } catch (cause) {
      throw new CacheError('WRONG_TREE', `cannot read ${path.toString()}`, { cause });
    } finally {
      await file?.close();
    }
    if (stored === undefined || !verifyBlock(stored.digest, bytes))
      throw new CacheError('WRONG_TREE', `${path.toString()} is not the file of the image`);
    return bytes;
  }

  /** Files of this machine are found by their paths. */
  expect(): void {}
}
