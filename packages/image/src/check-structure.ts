import { ImageError } from './error.ts';
import {
  blockCount,
  directorySize,
  ENTRY_BYTES,
  EXTENT_BYTES,
  FileType,
  Header,
  HEADER_BYTES,
  Inode,
  INODE_BYTES,
  MAX_NAME_BYTES,
  MAX_TARGET_BYTES,
  NANOSECONDS_PER_SECOND,
  OFFSET_BYTES,
  ROOT,
  UINT32_MAX,
} from './format.ts';
import type { Manifest } from './manifest.ts';
import { RESERVED_NAME } from './reserved.ts';
import { decodeXattrSet } from './xattr-sets.ts';

const SLASH = 0x2f;
const DOT = 0x2e;
const PERMISSION_BITS = 0o7777;

/**
 * Checks every rule of the format, in one pass that makes no object for an inode or an entry. What
 * passed is a tree without cycles in which every number and offset leads somewhere, so that nothing
 * needs to be checked when it is used.
 *
 * @throws ImageError CORRUPT, naming the first rule that is broken.
 */
export function checkStructure(manifest: Manifest): void {
  const { bytes, counts, layout } = manifest;
  for (let at: number = Header.reserved; at < HEADER_BYTES; at += 1) {
    if (bytes[at] !== 0) throw corrupt('a reserved byte of the header is not zero');
  }
  if (counts.inodes < 1) throw corrupt('there is no root');
  const names = bytes.subarray(layout.names, layout.trailer);
  if (names.includes(0) || names.includes(SLASH)) throw corrupt('a name holds NUL or a slash');
  if (bytes.subarray(layout.targets, layout.names).includes(0)) {
    throw corrupt("a symbolic link's target holds NUL");
  }
  checkXattrs(manifest);
  const links = checkNames(manifest);
  checkInodes(manifest, links);
}

export function corrupt(rule: string): ImageError {
  return new ImageError('CORRUPT', `the manifest is not valid: ${rule}`);
}

function checkXattrs({ bytes, view, counts, layout }: Manifest): void {
  for (let set = 0, begin = 0; set < counts.xattrSets || begin < counts.xattrBytes; set += 1) {
    if (set >= counts.xattrSets) throw corrupt('there is more after the last set of attributes');
    const at = layout.xattrSets + set * OFFSET_BYTES;
    const isLast = set + 1 === counts.xattrSets;
    const end = isLast ? counts.xattrBytes : view.getUint32(at + OFFSET_BYTES, true);
    if (view.getUint32(at, true) !== begin || end > counts.xattrBytes || end < begin) {
      throw corrupt(`set ${set + 1} of extended attributes is out of place`);
    }
    if (decodeXattrSet(bytes.subarray(layout.xattrs + begin, layout.xattrs + end)) === undefined) {
      throw corrupt(`set ${set + 1} of extended attributes cannot be read`);
    }
    begin = end;
  }
}

/** Link counts by number of inode, as the names give them. */
type Links = Uint32Array;

/**
 * Walks the directories in their order. Since a directory names only inodes that come after it, or
 * that are no directories, there is no cycle; since each inode is named where it says, none is lost.
 */
function checkNames(manifest: Manifest): Links {
  const { bytes, view, counts, layout } = manifest;
  const links = new Uint32Array(counts.inodes + 1);
  links[ROOT] = 2;
  let unseen = ROOT + 1;
  let entry = 0;
  let nameAt = 0;
  for (let directory = ROOT; directory <= counts.inodes; directory += 1) {
    if (directory >= unseen) throw corrupt(`inode ${directory} has no name`);
    const at = layout.inodes + (directory - 1) * INODE_BYTES;
    if (view.getUint8(at + Inode.type) !== FileType.DIR) {
      if (directory === ROOT) throw corrupt('the root is no directory');
      continue;
    }
    const count = view.getUint32(at + Inode.b, true);
    if (view.getUint32(at + Inode.a, true) !== entry || count > counts.entries - entry) {
      throw corrupt(`the entries of directory ${directory} are out of place`);
    }
    const firstNameAt = nameAt;
    let previous = -1;
    for (const end = entry + count; entry < end; entry += 1) {
      const entryAt = layout.entries + entry * ENTRY_BYTES;
      const isLast = entry + 1 === counts.entries;
      const nameEnd = isLast ? counts.nameBytes : view.getUint32(entryAt + ENTRY_BYTES, true);
      const length = nameEnd - nameAt;
      if (
        view.getUint32(entryAt, true) !== nameAt ||
        length < 1 ||
        length > MAX_NAME_BYTES ||
        nameEnd > counts.nameBytes
      ) {
        throw corrupt(`the name of entry ${entry} is out of place`);
      }
      const start = layout.names + nameAt;
      if (length <= 2 && bytes[start] === DOT && bytes[start + length - 1] === DOT) {
        throw corrupt(`directory ${directory} has an entry '.' or '..'`);
      }
      if (previous >= 0 && !isBefore(bytes, previous, start, start + length)) {
        throw corrupt(`the names of directory ${directory} are not in order`);
      }
      if (directory === ROOT && bytes.toString('latin1', start, start + length) === RESERVED_NAME) {
        throw corrupt(`the root has an entry '${RESERVED_NAME}'`);
      }
      previous = start;
      nameAt = nameEnd;

      const fileid = view.getUint32(entryAt + 4, true);
      if (fileid > unseen || fileid > counts.inodes || fileid <= ROOT) {
        throw corrupt(`entry ${entry} names inode ${fileid} out of order`);
      }
      const namedAt = layout.inodes + (fileid - 1) * INODE_BYTES;
      const isDirectory = view.getUint8(namedAt + Inode.type) === FileType.DIR;
      if (fileid === unseen) {
        if (
          view.getUint32(namedAt + Inode.parent, true) !== directory ||
          view.getUint32(namedAt + Inode.entry, true) !== entry
        ) {
          throw corrupt(`inode ${fileid} is not where it says`);
        }
        unseen += 1;
        if (isDirectory) {
          links[fileid] = 2;
          links[directory] = (links[directory] ?? 0) + 1;
        }
      } else if (isDirectory) {
        throw corrupt(`directory ${fileid} has two names`);
      }
      if (!isDirectory) links[fileid] = (links[fileid] ?? 0) + 1;
    }
    const size = directorySize(count, nameAt - firstNameAt);
    if (view.getBigUint64(at + Inode.size, true) !== BigInt(size)) {
      throw corrupt(`the size of directory ${directory} is not that of its entries`);
    }
  }
  if (entry !== counts.entries || nameAt !== counts.nameBytes) {
    throw corrupt('there are entries that belong to no directory');
  }
  return links;
}

/** Whether the name that ends where the next begins sorts before it, byte by byte. */
function isBefore(bytes: Buffer, first: number, second: number, secondEnd: number): boolean {
  for (let i = 0; first + i < second; i += 1) {
    if (second + i >= secondEnd) return false;
    const difference = (bytes[first + i] ?? 0) - (bytes[second + i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return secondEnd - second > second - first;
}

function checkInodes(manifest: Manifest, links: Links): void {
  const { view, counts, layout } = manifest;
  const next = { digest: 0, extent: 0, target: 0, xattrSet: 1 };
  if (view.getUint32(layout.inodes + Inode.parent, true) !== ROOT) {
    throw corrupt('the root is not its own parent');
  }
  if (view.getUint32(layout.inodes + Inode.entry, true) !== 0) throw corrupt('the root has a name');
  for (let fileid = ROOT; fileid <= counts.inodes; fileid += 1) {
    const at = layout.inodes + (fileid - 1) * INODE_BYTES;
    const xattrSet = view.getUint32(at + Inode.xattrSet, true);
    if (
      view.getUint16(at + Inode.mode, true) > PERMISSION_BITS ||
      view.getUint8(at + Inode.reserved) !== 0 ||
      view.getUint32(at + Inode.nlink, true) !== links[fileid] ||
      view.getUint32(at + Inode.mtimeNanoseconds, true) >= NANOSECONDS_PER_SECOND ||
      !isSafe(view.getBigInt64(at + Inode.mtimeSeconds, true)) ||
      !isSafe(view.getBigUint64(at + Inode.size, true)) ||
      view.getUint32(at + Inode.firstDigest, true) !== next.digest ||
      xattrSet > next.xattrSet
    ) {
      throw corrupt(`the attributes of inode ${fileid} are out of range`);
    }
    if (xattrSet === next.xattrSet) next.xattrSet += 1;
    checkByType(manifest, fileid, at, next);
  }
  if (
    next.digest !== counts.digests ||
    next.extent !== counts.extents ||
    next.target !== counts.targetBytes ||
    next.xattrSet !== counts.xattrSets + 1
  ) {
    throw corrupt('there are digests, extents, targets or attributes that belong to no inode');
  }
}

function isSafe(value: bigint): boolean {
  return Number.isSafeInteger(Number(value));
}

/** What belongs to the next inode, where the sections are in the order of the inodes. */
interface Next {
  digest: number;
  extent: number;
  target: number;
}

function checkByType(manifest: Manifest, fileid: number, at: number, next: Next): void {
  const { view, counts } = manifest;
  const size = Number(view.getBigUint64(at + Inode.size, true));
  const a = view.getUint32(at + Inode.a, true);
  const b = view.getUint32(at + Inode.b, true);
  const c = view.getUint32(at + Inode.c, true);
  const type = view.getUint8(at + Inode.type);
  switch (type) {
    case FileType.REG:
      checkBlocks(manifest, fileid, { size, digests: a, firstExtent: b, extents: c }, next);
      return;
    case FileType.DIR:
      // checkNames() has seen to the rest.
      if (c !== 0) break;
      return;
    case FileType.LNK:
      if (size < 1 || size > MAX_TARGET_BYTES || a !== next.target || b !== 0 || c !== 0) break;
      next.target += size;
      if (next.target > counts.targetBytes) break;
      return;
    case FileType.CHR:
    case FileType.BLK:
      if (size !== 0 || c !== 0) break;
      return;
    case FileType.SOCK:
    case FileType.FIFO:
      if (size !== 0 || a !== 0 || b !== 0 || c !== 0) break;
      return;
    default:
      throw corrupt(`inode ${fileid} has the unknown type ${type}`);
  }
  throw corrupt(`inode ${fileid} has fields that do not fit its type`);
}

function checkBlocks(
  { view, blockSize, counts, layout }: Manifest,
  fileid: number,
  file: { size: number; digests: number; firstExtent: number; extents: number },
  next: Next,
): void {
  const blocks = blockCount(file.size, blockSize);
  const isSimple = file.digests === 0 || file.digests === blocks;
  if (
    blocks > UINT32_MAX ||
    file.digests > blocks ||
    file.digests > counts.digests - next.digest ||
    file.extents > counts.extents - next.extent ||
    isSimple !== (file.extents === 0) ||
    file.firstExtent !== (isSimple ? 0 : next.extent)
  ) {
    throw corrupt(`the blocks of inode ${fileid} are out of place`);
  }
  let digest = next.digest;
  let end = -1;
  for (let i = 0; i < file.extents; i += 1) {
    const at = layout.extents + (next.extent + i) * EXTENT_BYTES;
    const first = view.getUint32(at, true);
    const count = view.getUint32(at + 4, true);
    if (
      first <= end ||
      count < 1 ||
      first + count > blocks ||
      view.getUint32(at + 8, true) !== digest
    ) {
      throw corrupt(`an extent of inode ${fileid} is out of place`);
    }
    end = first + count;
    digest += count;
  }
  if (file.extents > 0 && digest !== next.digest + file.digests) {
    throw corrupt(`the extents of inode ${fileid} hold another number of blocks`);
  }
  next.digest += file.digests;
  next.extent += file.extents;
}
