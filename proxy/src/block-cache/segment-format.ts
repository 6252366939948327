/**
 * The layout of a segment, which docs/cache.md gives byte by byte:
 *
 *     header:64  records:48 each  flags:1 for each record  (up to whole 4096)  blocks
 *
 * Numbers are in the byte order of the machine: a cache does not travel.
 */
import { crc32 } from 'node:zlib';
import { DIGEST_BYTES } from '@rowfs/image';

export const HEADER_BYTES = 64;
export const RECORD_BYTES = 48;
export const RECORD_WORDS = RECORD_BYTES / Uint32Array.BYTES_PER_ELEMENT;

const MAGIC = 'ROWFSBLK';
const VERSION = 1;
/** Written as one word, so that a cache which was copied to another kind of machine is none there. */
const BYTE_ORDER = 0x01020304;
const PAGE_BYTES = 4096;
/** Room for records: with smaller blocks than this on average a segment ends before it is full. */
const BYTES_PER_RECORD = 2048;
const MIN_RECORDS = 16;
/** The largest block of any image. */
const MAX_BLOCK_BYTES = 1024 * 1024;

/** Words of a record behind the digest. */
const OFFSET_WORD = DIGEST_BYTES / Uint32Array.BYTES_PER_ELEMENT;
const LENGTH_WORD = OFFSET_WORD + 1;
const CHECK_WORD = OFFSET_WORD + 2;
const ANY_NONZERO = 0x9e3779b9;

/** What is known of a block besides its record. */
export const Flag = {
  none: 0,
  /** It was read since it was stored. */
  used: 1,
  /** Its bytes were found wrong. */
  wrong: 2,
} as const;

/** Where the parts of a segment are, in bytes from its beginning. */
export interface SegmentLayout {
  /** How many records there is room for. */
  readonly slots: number;
  readonly flags: number;
  readonly blocks: number;
}

export interface BlockRecord {
  /** Of the block's bytes, from the beginning of the segment. */
  readonly offset: number;
  readonly length: number;
}

export function layoutFor(segmentBytes: number): SegmentLayout {
  return layoutOf(Math.max(MIN_RECORDS, Math.ceil(segmentBytes / BYTES_PER_RECORD)));
}

function layoutOf(slots: number): SegmentLayout {
  const flags = HEADER_BYTES + slots * RECORD_BYTES;
  const blocks = Math.ceil((flags + slots) / PAGE_BYTES) * PAGE_BYTES;
  return { slots, flags, blocks };
}

export function encodeHeader({ slots }: SegmentLayout): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(MAGIC, 'latin1');
  wordsIn(header).set([BYTE_ORDER, VERSION, slots], 2);
  wordsIn(header)[5] = crc32(header.subarray(0, 20));
  return header;
}

/** Undefined for what is no header of this version, or of another kind of machine. */
export function decodeHeader(header: Buffer): SegmentLayout | undefined {
  if (header.length < HEADER_BYTES || header.toString('latin1', 0, 8) !== MAGIC) return undefined;
  const words = wordsIn(Buffer.from(header));
  const [, , byteOrder, version, slots = 0, check] = words;
  if (byteOrder !== BYTE_ORDER || version !== VERSION) return undefined;
  return check === crc32(header.subarray(0, 20)) ? layoutOf(slots) : undefined;
}

export function encodeRecord(digest: Uint8Array, { offset, length }: BlockRecord): Buffer {
  const record = Buffer.alloc(RECORD_BYTES);
  record.set(digest);
  const words = wordsIn(record);
  words[OFFSET_WORD] = offset;
  words[LENGTH_WORD] = length;
  words[CHECK_WORD] = checkOf(words, 0);
  return record;
}

/** The record at `words[at]`; undefined where none was written, or not all of it. */
export function decodeRecord(words: Uint32Array, at: number): BlockRecord | undefined {
  if (words[at + CHECK_WORD] !== checkOf(words, at)) return undefined;
  const length = words[at + LENGTH_WORD] ?? 0;
  return length > MAX_BLOCK_BYTES ? undefined : { offset: words[at + OFFSET_WORD] ?? 0, length };
}

/** Instead of a block, the last record of a segment that gets no more: it has no bytes. */
export function encodeSeal(): Buffer {
  return encodeRecord(new Uint8Array(DIGEST_BYTES), { offset: 0, length: 0 });
}

/**
 * Tells a record from what is half written, and from zeros. Against what a disk may do to it stands
 * only the digest of the block.
 */
function checkOf(words: Uint32Array, at: number): number {
  let check = ANY_NONZERO;
  for (let word = 0; word < CHECK_WORD; word += 1)
    check = Math.imul(((check << 5) | (check >>> 27)) ^ (words[at + word] ?? 0), 0x01000193);
  return check >>> 0;
}

function wordsIn(bytes: Buffer): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}
