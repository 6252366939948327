import { presenceOf } from './contents.ts';
import type { Overlay } from './operation.ts';
import { BLOCK_BYTES, blockOf } from '../shadow/presence.ts';
import type { Node } from '../shadow/records.ts';
import { NoSpaceError } from '../shadow/space.ts';

/**
 * Takes hold of the disk space for writing a file from `start` to `end`. Blocks that are here already
 * take none, so that a file can be written over when all space is used up.
 *
 * @param size of the file by now. @returns what gives back the hold, once it is written.
 * @throws NoSpaceError
 */
export async function claimBlocks(
  overlay: Overlay,
  node: Node,
  size: number,
  start: number,
  end: number,
): Promise<() => void> {
  const { shadow } = overlay;
  const most = (blockOf(end - 1) - blockOf(start) + 1) * BLOCK_BYTES;
  try {
    return shadow.space.claim(most);
  } catch (error) {
    if (!(error instanceof NoSpaceError)) throw error;
    await shadow.reclaimed();
    return shadow.space.claim(
      (await countNewBlocks(overlay, node, size, start, end)) * BLOCK_BYTES,
    );
  }
}

/** Blocks of the range that the sparse file does not have on the disk yet. */
async function countNewBlocks(
  overlay: Overlay,
  { id, lowerLimit }: Node,
  size: number,
  start: number,
  end: number,
): Promise<number> {
  const { files, space } = overlay.shadow;
  const isPresent = presenceOf(overlay, id);
  const first = blockOf(start) * BLOCK_BYTES;
  const bytes = await files.file(id).read(first, end - first);
  const hasHoles = lowerLimit > 0 || space.contentsOf(id) < size;
  let count = 0;
  for (let at = first; at < end; at += BLOCK_BYTES) {
    if (at < lowerLimit) count += isPresent(blockOf(at)) ? 0 : 1;
    else if (at >= size) count += 1;
    // Only a hole, or a block that somebody filled with zeros, reads as zeros: taken for a hole.
    else if (hasHoles && isZero(bytes.subarray(at - first, at - first + BLOCK_BYTES))) count += 1;
  }
  return count;
}

const ZEROS = new Uint8Array(BLOCK_BYTES);

function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0;
}
