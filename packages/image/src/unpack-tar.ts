import type { Readable } from 'node:stream';
import { extract } from 'tar-stream';
import { ImageError } from './error.ts';
import { ContentBuilder } from './read-blocks.ts';
import { checkReadable, type TarEntry } from './tar-entry.ts';
import type { FileContent } from './tree.ts';
import type { UnpackedTree } from './unpacked-tree.ts';

/** The reader's declaration does not know that names need not be UTF-8, though the reader does. */
const EXTRACT_OPTIONS: Parameters<typeof extract>[0] & { filenameEncoding: string } = {
  filenameEncoding: 'latin1',
};

export interface UnpackOptions {
  readonly blockSize: number;
  readonly signal: AbortSignal | undefined;
  /** Told how many bytes more of content are done. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Unpacks an archive into the tree.
 *
 * @param archive Uncompressed: ustar, GNU or pax.
 * @returns How many regular files were read, and their bytes.
 * @throws ImageError UNREADABLE, UNSUPPORTED (sparse entries, names out of the tree, attributes that
 *   cannot be read back byte for byte), ABORTED
 */
export async function unpackTar(
  archive: Readable,
  tree: UnpackedTree,
  { blockSize, signal, onBytes }: UnpackOptions,
): Promise<{ files: number; bytes: number }> {
  const totals = { files: 0, bytes: 0 };
  const block = Buffer.alloc(blockSize);
  const count = (bytes: number): void => {
    if (signal?.aborted === true) throw new ImageError('ABORTED', 'the work was interrupted');
    onBytes(bytes);
  };
  const entries = extract(EXTRACT_OPTIONS);
  archive.once('error', (error) => entries.destroy(error));
  archive.pipe(entries);
  try {
    for await (const entry of entries) {
      count(0);
      const header = entry.header as TarEntry;
      checkReadable(header);
      const isFile = header.type === 'file' || header.type === 'contiguous-file';
      const content = await readContent(
        entry as unknown as AsyncIterable<Uint8Array>,
        block,
        count,
      );
      if (isFile) {
        totals.files += 1;
        totals.bytes += header.size;
      }
      tree.add(header, content);
    }
  } catch (error) {
    if (error instanceof ImageError) throw error;
    const { message } = error as Error;
    throw new ImageError('UNREADABLE', `this is no tar archive, or a damaged one: ${message}`, {
      cause: error,
    });
  } finally {
    archive.destroy();
  }
  return totals;
}

async function readContent(
  chunks: AsyncIterable<Uint8Array>,
  block: Buffer,
  onBytes: (bytes: number) => void,
): Promise<FileContent> {
  const content = new ContentBuilder();
  let number = 0;
  let filled = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const length = Math.min(block.length - filled, chunk.length - at);
      block.set(chunk.subarray(at, at + length), filled);
      filled += length;
      at += length;
      if (filled < block.length) continue;
      content.addBytes(number, block);
      number += 1;
      filled = 0;
    }
    onBytes(chunk.length);
  }
  if (filled > 0) content.addBytes(number, block.subarray(0, filled));
  return content.build();
}
