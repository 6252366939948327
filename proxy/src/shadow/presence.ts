/** Blocks are what NFS clients write most and what a page of memory is. */
export const BLOCK_BYTES = 4096;
/** Blocks of a file whose presence bits make up one record. */
export const BLOCKS_PER_CHUNK = 4096;
export const CHUNK_BYTES = BLOCKS_PER_CHUNK / 8;

/** A chunk of presence bits as it is worked on: whole, and the caller's own. */
export function unpackChunk(stored: Uint8Array | undefined): Uint8Array {
  const chunk = new Uint8Array(CHUNK_BYTES);
  if (stored !== undefined) chunk.set(stored);
  return chunk;
}

/** A chunk as it is stored: without the zero bytes at its end. */
export function packChunk(chunk: Uint8Array): Buffer {
  let length = chunk.length;
  while (length > 0 && chunk[length - 1] === 0) length -= 1;
  return Buffer.from(chunk.subarray(0, length));
}

/** @param chunk may be shorter than CHUNK_BYTES, as it is stored. */
export function hasBit(chunk: Uint8Array | undefined, block: number): boolean {
  const bit = block % BLOCKS_PER_CHUNK;
  return ((chunk?.[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
}

export function setBit(chunk: Uint8Array, block: number): void {
  const bit = block % BLOCKS_PER_CHUNK;
  chunk[bit >> 3] = (chunk[bit >> 3] ?? 0) | (1 << (bit & 7));
}

export const chunkOf = (block: number): number => Math.floor(block / BLOCKS_PER_CHUNK);
export const blockOf = (offset: number): number => Math.floor(offset / BLOCK_BYTES);
