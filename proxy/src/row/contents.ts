import { type Filehandle, type Nfs3Context, Nfsstat3 } from '@rowfs/nfs3';
import type { Overlay } from './operation.ts';
import { BLOCK_BYTES, blockOf, chunkOf, hasBit } from '../shadow/presence.ts';
import { type Node, presenceKey } from '../shadow/records.ts';
import { Refusal } from './refusal.ts';

/** A run of a file's bytes that come from one place. */
export interface Span {
  readonly from: 'shadow' | 'lower' | 'zeros';
  readonly offset: number;
  readonly length: number;
}

/**
 * Tells which blocks of a file were written here. Asked only of blocks that begin below the file's
 * `lowerLimit`: above it nothing of the lower shows, and the sparse file alone is the contents.
 */
export function presenceOf({ shadow }: Overlay, id: number): (block: number) => boolean {
  const unstable = shadow.files.file(id).unstable?.chunks;
  let loaded: Uint8Array | undefined;
  let loadedIndex = -1;
  return (block) => {
    const index = chunkOf(block);
    if (index !== loadedIndex) {
      loaded = unstable?.get(index) ?? shadow.get(presenceKey(id, index));
      loadedIndex = index;
    }
    return hasBit(loaded, block);
  };
}

/** Where the bytes from `offset` to `end` come from, in order, neighbours from one place joined. */
export function spansOf(
  isPresent: (block: number) => boolean,
  lowerLimit: number,
  offset: number,
  end: number,
): Span[] {
  const spans: Span[] = [];
  const add = (from: Span['from'], start: number, stop: number): void => {
    if (stop <= start) return;
    const last = spans.at(-1);
    if (last?.from === from) {
      spans[spans.length - 1] = { ...last, length: last.length + stop - start };
    } else spans.push({ from, offset: start, length: stop - start });
  };
  let at = offset;
  while (at < end && blockOf(at) * BLOCK_BYTES < lowerLimit) {
    const block = blockOf(at);
    const stop = Math.min(end, (block + 1) * BLOCK_BYTES);
    if (isPresent(block)) add('shadow', at, stop);
    else {
      add('lower', at, Math.min(stop, lowerLimit));
      add('zeros', Math.max(at, lowerLimit), stop);
    }
    at = stop;
  }
  add('shadow', at, end);
  return spans;
}

/**
 * The bytes of a file from `offset` to `end`, which is not beyond its size; fewer of them when those that follow
 * cannot be had.
 *
 * @throws Refusal when the first cannot be had
 */
export async function readContents(
  overlay: Overlay,
  ctx: Nfs3Context,
  node: Node,
  offset: number,
  end: number,
): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = [];
  try {
    for (const span of spansOf(presenceOf(overlay, node.id), node.lowerLimit, offset, end))
      await readSpan(overlay, ctx, node, span, parts);
  } catch (error) {
    // Whoever reads on, from there, is told why not.
    if (parts.length === 0 || !(error instanceof Refusal)) throw error;
  }
  return parts;
}

async function readSpan(
  overlay: Overlay,
  ctx: Nfs3Context,
  { id, lower }: Node,
  { from, offset, length }: Span,
  parts: Uint8Array[],
): Promise<void> {
  if (from === 'lower' && lower !== undefined)
    await readLower(overlay, ctx, lower, { offset, length }, parts);
  // Looked up for each span: between them the file may have been closed for another's sake.
  else if (from === 'shadow') parts.push(await overlay.shadow.files.file(id).read(offset, length));
  else parts.push(new Uint8Array(length));
}

/**
 * Appends exactly `length` bytes of a file of the lower, which may answer each READ with less.
 *
 * @throws Refusal when some cannot be had; those before are appended then
 */
export async function readLower(
  { lower, facts }: Overlay,
  ctx: Nfs3Context,
  file: Filehandle,
  { offset, length }: { readonly offset: number; readonly length: number },
  parts: Uint8Array[],
): Promise<void> {
  let done = 0;
  while (done < length) {
    const args = { file, offset: offset + done, count: length - done };
    const result = await lower.read(args, facts.context(ctx));
    if (result.status !== Nfsstat3.OK) throw new Refusal(result.status);
    // Shorter than its attributes said: the image is not what it was, and zeros would be a lie.
    if (result.count === 0) throw new Refusal(Nfsstat3.IO);
    parts.push(...result.data);
    done += result.count;
  }
}
