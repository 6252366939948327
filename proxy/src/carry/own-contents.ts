import { open } from 'node:fs/promises';
import type { Scan } from '../inspect/scan.ts';
import { BLOCK_BYTES, BLOCKS_PER_CHUNK, hasBit } from '../shadow/presence.ts';
import type { Node } from '../shadow/records.ts';
import type { Piece } from './tree-editor.ts';

/** Bytes read at once. */
const PIECE_BYTES = 128 * 1024;

/** What a shadow itself has of a file: redirected blocks, and all above what shows of the image. */
export async function* ownContents(scan: Scan, node: Node): AsyncGenerator<Piece> {
  const contents = scan.contents.get(node.id);
  if (contents === undefined) return;
  const file = await open(contents.path, 'r');
  try {
    const end = Math.min(node.size, contents.size);
    for (const [from, to] of ownRanges(scan, node, end)) {
      for (let offset = from; offset < to;) {
        const length = Math.min(PIECE_BYTES, to - offset);
        const bytes = Buffer.alloc(length);
        const { bytesRead } = await file.read(bytes, 0, length, offset);
        if (bytesRead === 0) break;
        // Above the image's part zeros may be a hole, and need not be written.
        if (offset < node.lowerLimit || bytes.some((byte) => byte !== 0))
          yield { offset, bytes: bytes.subarray(0, bytesRead) };
        offset += bytesRead;
      }
    }
  } finally {
    await file.close();
  }
}

/** Ranges of bytes up to `end` that are this shadow's, neighbours joined; none crosses lowerLimit. */
function* ownRanges(scan: Scan, node: Node, end: number): Generator<readonly [number, number]> {
  const below = Math.min(node.lowerLimit, end);
  let range: [number, number] | undefined;
  for (const { index, bits } of scan.presence.get(node.id) ?? []) {
    for (let bit = 0; bit < bits.length * 8; bit += 1) {
      const start = (index * BLOCKS_PER_CHUNK + bit) * BLOCK_BYTES;
      if (start >= below || !hasBit(bits, bit)) continue;
      // The last one goes on to its end, which a grown file shows.
      const stop = Math.min(start + BLOCK_BYTES, end);
      if (range?.[1] === start) range[1] = stop;
      else {
        if (range !== undefined) yield range;
        range = [start, stop];
      }
    }
  }
  if (range !== undefined) yield range;
  const above = Math.max(node.lowerLimit, range?.[1] ?? 0);
  if (above < end) yield [above, end];
}
