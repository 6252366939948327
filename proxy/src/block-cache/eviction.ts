import { DIGEST_BYTES, verifyBlock } from '@rowfs/image';
import type { CacheDirectory, SegmentFile } from './cache-directory.ts';
import { CacheError } from './cache-error.ts';
import { DigestTable } from './digest-table.ts';
import { pinnedDigests } from './pins.ts';
import { type ScannedRecord, Segment } from './segment.ts';
import { Flag, layoutFor } from './segment-format.ts';
import type { BlockToStore } from './segment-writer.ts';

/** Copies are made in pieces of about this many bytes. */
const COPIED_AT_ONCE = 4 * 1024 * 1024;
/** Of a segment that goes at most this part is copied because it was used: the rest is what is won. */
const MAX_USED_SHARE = 0.5;
/** When more than this part of a segment must stay, it is left as it is. */
const MAX_COPIED_SHARE = 0.75;

/** What a file takes that a power cut left empty. */
const MIN_FILE_BYTES = 4096;

export interface Eviction {
  readonly directory: CacheDirectory;
  readonly segmentBytes: number;
  /** Segments go until all together take no more than this; one that is being written counts as full. */
  readonly maxBytes: number;
  /** Whether blocks that were read since they were stored get a second chance. */
  readonly keepUsed: boolean;
  /** Where blocks that stay are copied to; undefined: a segment that has some stays. */
  readonly append: ((blocks: readonly BlockToStore[]) => Promise<void>) | undefined;
}

/** Bytes that a segment takes, or may come to take. */
export function chargeOf({ bytes, isHeld }: SegmentFile, segmentBytes: number): number {
  const atLeast = isHeld ? layoutFor(segmentBytes).blocks + segmentBytes : MIN_FILE_BYTES;
  return Math.max(bytes, atLeast);
}

export function totalCharge(files: readonly SegmentFile[], segmentBytes: number): number {
  return files.reduce((sum, file) => sum + chargeOf(file, segmentBytes), 0);
}

/**
 * Removes segments, the oldest first: a clock (Corbató 1968) whose hand goes over segments. What was used
 * since it was stored, and what is pinned, is copied to where new blocks go, and only then the file is removed:
 * whenever the process dies, all that stays is there, perhaps twice.
 *
 * @throws CacheError CACHE_BUSY when another process is at it.
 */
export async function evict(eviction: Eviction): Promise<void> {
  const { directory, segmentBytes, maxBytes } = eviction;
  const release = directory.lockAll();
  if (release === undefined)
    throw new CacheError('CACHE_BUSY', 'another process makes room in the block cache just now');
  try {
    directory.removeLeftBehind();
    const files = directory.segments();
    if (totalCharge(files, segmentBytes) <= maxBytes) return;
    const pinned = new DigestTable(pinnedDigests(directory.path));
    for (const file of files) {
      if (file.isHeld) continue;
      await evictSegment(file, pinned, eviction);
      // Copies may have begun a segment of their own.
      if (totalCharge(directory.segments(), segmentBytes) <= maxBytes) return;
    }
  } finally {
    release();
  }
}

async function evictSegment(
  file: SegmentFile,
  pinned: DigestTable,
  { directory, keepUsed, append }: Eviction,
): Promise<void> {
  const unlock = directory.lock(file.name);
  if (unlock === undefined) return;
  const segment = openSegment(file.name, directory.path);
  try {
    const kept = segment === undefined ? [] : keptOf(segment, pinned, keepUsed);
    const bytes = kept.reduce((sum, { length }) => sum + length, 0);
    if (bytes > 0 && append === undefined) return;
    if (bytes > file.bytes * MAX_COPIED_SHARE) return;
    if (segment !== undefined && append !== undefined) await copy(segment, kept, append);
    directory.remove(file.name);
  } finally {
    segment?.close();
    unlock();
  }
}

/** Undefined for what is no segment: a power cut may leave that. */
function openSegment(name: string, path: string): Segment | undefined {
  try {
    return new Segment(0, name, path);
  } catch (error) {
    if (error instanceof CacheError) return undefined;
    throw error;
  }
}

interface KeptBlock {
  readonly digest: Buffer;
  readonly offset: number;
  readonly length: number;
}

function keptOf(segment: Segment, pinned: DigestTable, keepUsed: boolean): KeptBlock[] {
  const records = [...segment.scanAll()].filter(({ flag }) => flag !== Flag.wrong);
  const all = records.reduce((sum, { length }) => sum + length, 0);
  let usedBytes = 0;
  return records.flatMap((record) => {
    const { words, at, offset, length, flag } = record;
    if (pinned.indexOf(words, at) < 0) {
      if (!keepUsed || flag !== Flag.used || usedBytes + length > all * MAX_USED_SHARE) return [];
      usedBytes += length;
    }
    return [{ digest: digestIn(record), offset, length }];
  });
}

function digestIn({ words, at }: ScannedRecord): Buffer {
  const start = words.byteOffset + at * words.BYTES_PER_ELEMENT;
  return Buffer.from(new Uint8Array(words.buffer, start, DIGEST_BYTES));
}

async function copy(
  segment: Segment,
  kept: readonly KeptBlock[],
  append: (blocks: readonly BlockToStore[]) => Promise<void>,
): Promise<void> {
  let blocks: BlockToStore[] = [];
  let length = 0;
  for (const block of kept) {
    const bytes = Buffer.allocUnsafeSlow(block.length);
    const got = await segment.read(bytes, block.offset).catch(() => 0);
    // What a power cut or the disk has spoilt ends here.
    if (got < bytes.length || !verifyBlock(block.digest, bytes)) continue;
    blocks.push({ digest: block.digest, bytes });
    length += bytes.length;
    if (length < COPIED_AT_ONCE) continue;
    await append(blocks);
    blocks = [];
    length = 0;
  }
  if (blocks.length > 0) await append(blocks);
}
