import { Ftype3 } from '@rowfs/nfs3';
import { BLOCK_BYTES, BLOCKS_PER_CHUNK, hasBit } from '../shadow/presence.ts';
import type { Node } from '../shadow/records.ts';
import type { Finding } from './problem.ts';
import type { Scan, ScannedChunk } from '../inspect/scan.ts';

/** Contents and presence bits: of a file, no longer than it, and there where the bits say so. */
export function* checkContents({ nodes, contents, presence }: Scan): Generator<Finding> {
  for (const [id, { path, size }] of contents) {
    const node = nodes.get(id);
    if (node?.type !== Ftype3.REG) {
      const what = `${path}: contents of ${node === undefined ? 'no' : 'an object that is no'} file`;
      yield { code: 'ORPHAN', what, leftover: node === undefined, mend: { remove: path } };
    } else if (size > node.size) {
      const what = `${path}: ${size} bytes for a file of ${node.size}`;
      yield { code: 'ORPHAN', what, leftover: true, mend: { cut: path, size: node.size } };
    }
  }
  for (const [id, chunks] of presence) {
    const node = nodes.get(id);
    if (node?.type !== Ftype3.REG || node.lower === undefined) {
      const what = `presence bits of node ${id}, which is no file of the image`;
      const writes = new Map(chunks.map(({ key }) => [key, undefined]));
      yield { code: 'ORPHAN', what, mend: { writes } };
      continue;
    }
    const lost = lostBlocks(node, chunks, contents.get(id)?.size ?? 0);
    if (lost > 0)
      yield {
        code: 'LOST_CONTENTS',
        what: `${lost} blocks of node ${id} count as written here, and its contents lack them`,
      };
  }
}

/** Blocks that are marked, and begin beyond the end of the contents. */
function lostBlocks(node: Node, chunks: readonly ScannedChunk[], size: number): number {
  let lost = 0;
  for (const { index, bits } of chunks) {
    for (let bit = 0; bit < bits.length * 8; bit += 1) {
      const start = (index * BLOCKS_PER_CHUNK + bit) * BLOCK_BYTES;
      // Marks above the limit mean nothing: there the contents alone are the file.
      if (start >= node.lowerLimit) break;
      if (hasBit(bits, bit) && start >= size) lost += 1;
    }
  }
  return lost;
}
