/**
 * The layout of a manifest, version 1, as docs/image-format.md gives it byte by byte. Numbers are
 * little-endian. Every offset, record size and rule that reader and writer share stands here.
 */
import { DIGEST_BYTES } from './digest.ts';

export const MAGIC = Buffer.from('ROWFSIMG', 'latin1');
export const FORMAT_VERSION = 1;

export const HEADER_BYTES = 64;
export const INODE_BYTES = 64;
export const ENTRY_BYTES = 8;
export const EXTENT_BYTES = 12;
export const OFFSET_BYTES = 4;

export const MIN_BLOCK_SIZE = 4096;
export const MAX_BLOCK_SIZE = 1024 * 1024;
/** What images are built with unless a test wants otherwise; docs/image-format.md says why. */
export const DEFAULT_BLOCK_SIZE = 64 * 1024;

/** The number of the root directory. Inodes are numbered from it on, without gaps. */
export const ROOT = 1;

/** Linux's NAME_MAX and PATH_MAX - 1: what a server could have shown. */
export const MAX_NAME_BYTES = 255;
export const MAX_TARGET_BYTES = 4095;
export const UINT32_MAX = 0xffff_ffff;
export const NANOSECONDS_PER_SECOND = 1_000_000_000;

/** The types of files, with the numbers of ftype3 (RFC 1813 section 2.5). */
export const FileType = {
  REG: 1,
  DIR: 2,
  BLK: 3,
  CHR: 4,
  LNK: 5,
  SOCK: 6,
  FIFO: 7,
} as const;
export type FileType = (typeof FileType)[keyof typeof FileType];

/** Where the fields of the header are. */
export const Header = {
  version: 8,
  blockSize: 12,
  inodes: 16,
  entries: 20,
  extents: 24,
  digests: 28,
  xattrSets: 32,
  xattrBytes: 36,
  targetBytes: 40,
  nameBytes: 44,
  reserved: 48,
} as const;

/** Where the fields of an inode record are. The last three depend on the type. */
export const Inode = {
  mode: 0,
  type: 2,
  reserved: 3,
  nlink: 4,
  uid: 8,
  gid: 12,
  size: 16,
  mtimeSeconds: 24,
  mtimeNanoseconds: 32,
  parent: 36,
  entry: 40,
  xattrSet: 44,
  firstDigest: 48,
  /** REG: how many digests. DIR: the first entry. LNK: where the target begins. CHR, BLK: major. */
  a: 52,
  /** REG: the first extent. DIR: how many entries. CHR, BLK: minor. */
  b: 56,
  /** REG: how many extents. */
  c: 60,
} as const;

/** How many things a manifest holds: all that its sections' places depend on. */
export interface Counts {
  readonly inodes: number;
  readonly entries: number;
  readonly extents: number;
  readonly digests: number;
  readonly xattrSets: number;
  readonly xattrBytes: number;
  readonly targetBytes: number;
  readonly nameBytes: number;
}

/** Where each section begins, in bytes from the beginning of the manifest. */
export interface Layout {
  readonly inodes: number;
  readonly entries: number;
  readonly extents: number;
  readonly digests: number;
  readonly xattrSets: number;
  readonly xattrs: number;
  readonly targets: number;
  readonly names: number;
  /** The digest of everything before it, which ends the manifest. */
  readonly trailer: number;
  readonly end: number;
}

export function layoutOf(counts: Counts): Layout {
  const inodes = HEADER_BYTES;
  const entries = inodes + counts.inodes * INODE_BYTES;
  const extents = entries + counts.entries * ENTRY_BYTES;
  const digests = extents + counts.extents * EXTENT_BYTES;
  const xattrSets = digests + counts.digests * DIGEST_BYTES;
  const xattrs = xattrSets + counts.xattrSets * OFFSET_BYTES;
  const targets = xattrs + counts.xattrBytes;
  const names = targets + counts.targetBytes;
  const trailer = names + counts.nameBytes;
  return {
    inodes,
    entries,
    extents,
    digests,
    xattrSets,
    xattrs,
    targets,
    names,
    trailer,
    end: trailer + DIGEST_BYTES,
  };
}

export function isBlockSize(size: number): boolean {
  return size >= MIN_BLOCK_SIZE && size <= MAX_BLOCK_SIZE && (size & (size - 1)) === 0;
}

/** How many blocks a file of `size` bytes has; the last may be short. */
export function blockCount(size: number, blockSize: number): number {
  return Math.ceil(size / blockSize);
}

/** The size that a directory shows: what its entries take here, in whole 4096 bytes. */
export function directorySize(entries: number, nameBytes: number): number {
  const unit = 4096;
  return Math.max(1, Math.ceil((entries * ENTRY_BYTES + nameBytes) / unit)) * unit;
}

/** Bytes of the disk that `size` bytes with `digests` blocks other than zero would take. */
export function usedBytes(size: number, digests: number, blockSize: number): number {
  const sector = 512;
  return Math.min(digests * blockSize, Math.ceil(size / sector) * sector);
}

/** A signed integer of 64 bits that is within 2^53, without making a bigint on the way. */
export function readInt53(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}
