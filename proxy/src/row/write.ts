import {
  callerUid,
  type Fattr3,
  Ftype3,
  mayWrite,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  StableHow,
  type Verf3,
  type WriteArgs,
  type WriteResult,
} from '@rowfs/nfs3';

import { presenceOf, readLower } from './contents.ts';
import { type Decision, objectOf } from './decision.ts';
import { claimBlocks } from './new-blocks.ts';
import { answer, decide, type Overlay, wccAtHand, wccOf } from './operation.ts';
import { BLOCK_BYTES, blockOf, chunkOf, setBit, unpackChunk } from '../shadow/presence.ts';
import { type Node, presenceKey } from '../shadow/records.ts';
import { Refusal } from './refusal.ts';
import { withoutSetId } from './set-id.ts';
import type { ShadowFile, Unstable } from '../shadow/shadow-file.ts';

/** Sizes are doubles here, and exact up to this. */
export const MAX_FILE_BYTES = Number.MAX_SAFE_INTEGER;

/** WRITE and COMMIT; the ordering rules that they keep are at the head of layer.ts. */
export function writeProcedures(overlay: Overlay): Pick<Nfs3Service, 'write' | 'commit'> {
  const { shadow } = overlay;
  return {
    write: (args, ctx) =>
      answer(
        async () => {
          const node = await decide(overlay, ctx, (tree) => prepare(overlay, tree, args));
          // Before anything is written: a loss from here on must change what the client compares.
          const verf = shadow.verifier;
          const result = await shadow.files.file(node.id).lock.run(async () => {
            return writeLocked(overlay, ctx, node.id, args, verf);
          });
          if (args.stable === StableHow.UNSTABLE) await shadow.files.relieve();
          else {
            // Taken anew, so that all who wrote meanwhile are served by the first one's fsync.
            const file = shadow.files.file(node.id);
            await file.lock.run(() => shadow.files.flush(file));
            // Lost in between, with somebody else's transaction: there was nothing left to flush.
            if (shadow.verifier !== verf) throw new Refusal(Nfsstat3.IO);
          }
          return result;
        },
        (status) => ({ status, fileWcc: wccAtHand(overlay, ctx, args.file) }),
      ),

    commit: (args, ctx) =>
      answer(
        async () => {
          const object = await decide(overlay, ctx, (tree) => {
            const file = tree.resolve(args.file);
            if (tree.typeOf(file) !== Ftype3.REG) throw new Refusal(Nfsstat3.INVAL);
            return file;
          });
          if (object.node !== undefined) {
            const file = shadow.files.file(object.node.id);
            await file.lock.run(() => shadow.files.flush(file));
          }
          const after = await decide(overlay, ctx, (tree) =>
            tree.attributes(tree.resolve(args.file)),
          );
          // COMMIT changes no attribute: what they are is what they were.
          return { status: Nfsstat3.OK, fileWcc: wccOf(after, after), verf: shadow.verifier };
        },
        (status) => ({ status, fileWcc: wccAtHand(overlay, ctx, args.file) }),
      ),
  };
}

/** May it be written, and as which node? Making the node is staged, but need not be durable yet. */
function prepare({ shadow }: Overlay, tree: Decision, { file, offset, count }: WriteArgs): Node {
  const object = tree.resolve(file);
  const attributes = tree.attributes(object);
  if (attributes.type === Ftype3.DIR) throw new Refusal(Nfsstat3.ISDIR);
  if (attributes.type !== Ftype3.REG) throw new Refusal(Nfsstat3.INVAL);
  if (!mayWrite(attributes, tree.credential)) throw new Refusal(Nfsstat3.ACCES);
  if (offset + count > MAX_FILE_BYTES) throw new Refusal(Nfsstat3.FBIG);
  if (object.node === undefined && count > 0) shadow.space.checkNewObject();
  const node = count > 0 ? clearSetId(tree, tree.touch(object)) : tree.touch(object);
  tree.stage();
  return node;
}

/** Who writes a set-user-ID program must not leave it one, unless it is root. */
function clearSetId(tree: Decision, node: Node): Node {
  if (callerUid(tree.credential) === 0) return node;
  const mode = withoutSetId(node.mode, node.gid, tree.credential);
  if (mode === node.mode) return node;
  const cleared = { ...node, mode };
  tree.put(cleared);
  return cleared;
}

async function writeLocked(
  overlay: Overlay,
  ctx: Nfs3Context,
  id: number,
  { offset, count, data, stable }: WriteArgs,
  verf: Verf3,
): Promise<WriteResult> {
  const { shadow } = overlay;
  const before = await attributesOfNode(overlay, ctx, id);
  if (count > 0) {
    const size = before.attributes.size;
    const { prefix, suffix } = await completion(overlay, ctx, before.node, size, offset, count);
    const file = shadow.files.file(id);
    const start = offset - lengthOf(prefix);
    const end = offset + count + lengthOf(suffix);
    const giveBack = await claimBlocks(overlay, before.node, size, start, end);
    try {
      await file.write([...prefix, ...data, ...suffix], start, size);
    } finally {
      giveBack();
    }
    const unstable = unstableAfter(overlay, file, before.node, before.attributes, offset, count);
    shadow.files.noteUnstable(file, unstable, { offset: start, count: end - start });
    shadow.countRedirected(count);
  }
  const after = await attributesOfNode(overlay, ctx, id);
  return {
    status: Nfsstat3.OK,
    fileWcc: wccOf(before.attributes, after.attributes),
    count,
    committed: stable === StableHow.UNSTABLE ? StableHow.UNSTABLE : StableHow.FILE_SYNC,
    verf,
  };
}

function attributesOfNode(
  overlay: Overlay,
  ctx: Nfs3Context,
  id: number,
): Promise<{ node: Node; attributes: Fattr3 }> {
  return decide(overlay, ctx, (tree) => {
    const node = tree.node(id);
    if (node === undefined) throw new Refusal(Nfsstat3.STALE);
    return { node, attributes: tree.attributes(objectOf(node)) };
  });
}

/**
 * What must be written before and after the data so that every block is whole: a block counts as
 * written here entirely or not at all, and its other bytes still come from below.
 */
async function completion(
  overlay: Overlay,
  ctx: Nfs3Context,
  node: Node,
  size: number,
  offset: number,
  count: number,
): Promise<{ prefix: Uint8Array[]; suffix: Uint8Array[] }> {
  const isPresent = presenceOf(overlay, node.id);
  const isPartOfLower = (block: number): boolean =>
    block * BLOCK_BYTES < node.lowerLimit && !isPresent(block);
  const end = offset + count;
  const first = blockOf(offset);
  const last = blockOf(end - 1);
  const lastEnd = Math.min((last + 1) * BLOCK_BYTES, size);
  const [prefix, suffix] = await Promise.all([
    isPartOfLower(first) ? belowContents(overlay, ctx, node, first * BLOCK_BYTES, offset) : [],
    end < lastEnd && isPartOfLower(last) ? belowContents(overlay, ctx, node, end, lastEnd) : [],
  ]);
  return { prefix, suffix };
}

/** The bytes of the lower as they show: zeros above `lowerLimit`. */
async function belowContents(
  overlay: Overlay,
  ctx: Nfs3Context,
  { lower, lowerLimit }: Node,
  offset: number,
  end: number,
): Promise<Uint8Array[]> {
  const lowerEnd = Math.max(offset, Math.min(end, lowerLimit));
  const parts: Uint8Array[] = [];
  if (lower !== undefined)
    await readLower(overlay, ctx, lower, { offset, length: lowerEnd - offset }, parts);
  if (end > lowerEnd) parts.push(new Uint8Array(end - lowerEnd));
  return parts;
}

/** The data is written: from here on the bits, the size and the times say so, in memory only. */
function unstableAfter(
  { shadow }: Overlay,
  file: ShadowFile,
  node: Node,
  attributes: Fattr3,
  offset: number,
  count: number,
): Omit<Unstable, 'blocks'> {
  const chunks = new Map(file.unstable?.chunks);
  const lastLower = Math.min(blockOf(offset + count - 1), blockOf(node.lowerLimit - 1));
  for (let block = blockOf(offset); block <= lastLower; block += 1) {
    const index = chunkOf(block);
    let chunk = chunks.get(index);
    if (chunk === undefined) {
      chunk = unpackChunk(shadow.get(presenceKey(file.id, index)));
      chunks.set(index, chunk);
    }
    setBit(chunk, block);
  }
  const now = shadow.clock.stamp(attributes.ctime);
  const size = Math.max(attributes.size, offset + count);
  const used = Math.min(attributes.used + count, Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES);
  return { size, used, mtime: now, ctime: now, chunks };
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
