import { DIGEST_BYTES } from './digest.ts';
import { checkStructure } from './check-structure.ts';
import { ImageError } from './error.ts';
import {
  blockCount,
  ENTRY_BYTES,
  EXTENT_BYTES,
  FileType,
  Inode,
  INODE_BYTES,
  OFFSET_BYTES,
  readInt53,
  ROOT,
  usedBytes,
} from './format.ts';
import { type Manifest, readManifest } from './manifest.ts';
import type { Timestamp, Xattr } from './tree.ts';
import { decodeXattrSet } from './xattr-sets.ts';

/** What NFSv3 shows of a file (fattr3, RFC 1813 section 2.5), as far as copies of a tree agree on it. */
export interface ImageAttributes {
  readonly type: FileType;
  /** The low 12 bits of st_mode. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Bytes of the blocks that are not all zero. */
  readonly used: number;
  /** Major and minor number of a device; 0 and 0 of anything else. */
  readonly rdev: { readonly specdata1: number; readonly specdata2: number };
  /** The number of the inode: 1 is the root. */
  readonly fileid: number;
  readonly mtime: Timestamp;
}

export interface ImageEntry {
  /** As latin1: a name is bytes. */
  readonly name: string;
  readonly fileid: number;
  /** Where to go on after this entry. */
  readonly cookie: number;
}

/** A block of a file, as it is to be fetched and checked. */
export interface ImageBlock {
  readonly fileid: number;
  /** Bytes from the beginning of the file: a multiple of the image's block size. */
  readonly offset: number;
  /** The image's block size, but for the last block of a file. */
  readonly length: number;
  /**
   * Which of the image's blocks it is, from 0 on in the order of files and offsets, and the digest
   * of its `length` bytes; undefined for a block that is all zero, which is never to be fetched.
   */
  readonly stored: { readonly number: number; readonly digest: Buffer } | undefined;
}

/** Blocks of a file that are not all zero, one after the other. */
export interface ImageRun {
  /** Number of the first block within the file. */
  readonly first: number;
  readonly count: number;
  /** Which of the image's blocks the first is. */
  readonly number: number;
}

/**
 * Opens a manifest, which is kept and must not change. Everything is checked here, once: that the
 * bytes are whole, that they are those of `digest` when it is given, and every rule of the format.
 *
 * @param digest The image's digest as somebody trusted said it. Without it the manifest is only
 *   known to be undamaged, not to be the right one.
 * @throws ImageError NOT_AN_IMAGE, UNKNOWN_VERSION, DIGEST_MISMATCH, CORRUPT
 */
export function openImage(bytes: Uint8Array, { digest }: { digest?: Uint8Array } = {}): Image {
  const manifest = readManifest(bytes);
  if (digest !== undefined && !manifest.digest.equals(digest)) {
    throw new ImageError(
      'DIGEST_MISMATCH',
      `this is the manifest of another image: its digest is ${manifest.digest.toString('hex')}, not ${Buffer.from(digest).toString('hex')}`,
    );
  }
  checkStructure(manifest);
  return new Image(manifest);
}

/**
 * An image: a read-only tree of files, known down to the digest of each block. Answers come straight
 * out of the manifest's bytes. Names, targets and paths are latin1 strings, since they are bytes.
 *
 * Every method that is given a fileid throws ImageError NO_SUCH_INODE for one that the image does not
 * have, and WRONG_TYPE where the type of the file does not fit the question.
 */
export class Image {
  readonly #manifest: Manifest;

  /** Use {@link openImage}: only a manifest that was checked may come here. */
  constructor(manifest: Manifest) {
    this.#manifest = manifest;
  }

  /** The root digest: whoever knows it knows every name, attribute and byte of the image. */
  get digest(): Buffer {
    return this.#manifest.digest;
  }

  /** The manifest, to be kept or sent. */
  get bytes(): Buffer {
    return this.#manifest.bytes;
  }

  get blockSize(): number {
    return this.#manifest.blockSize;
  }

  get root(): number {
    return ROOT;
  }

  /** Fileids go from 1 to this. */
  get inodeCount(): number {
    return this.#manifest.counts.inodes;
  }

  /** Blocks that are not all zero: their numbers go from 0 up to, not including, this. */
  get blockCount(): number {
    return this.#manifest.counts.digests;
  }

  has(fileid: number): boolean {
    return Number.isInteger(fileid) && fileid >= ROOT && fileid <= this.inodeCount;
  }

  type(fileid: number): FileType {
    return this.#manifest.view.getUint8(this.#inode(fileid) + Inode.type) as FileType;
  }

  attributes(fileid: number): ImageAttributes {
    const { view, blockSize } = this.#manifest;
    const at = this.#inode(fileid);
    const type = view.getUint8(at + Inode.type) as FileType;
    const size = this.#size(at);
    const isDevice = type === FileType.CHR || type === FileType.BLK;
    return {
      type,
      mode: view.getUint16(at + Inode.mode, true),
      nlink: view.getUint32(at + Inode.nlink, true),
      uid: view.getUint32(at + Inode.uid, true),
      gid: view.getUint32(at + Inode.gid, true),
      size,
      used:
        type === FileType.REG
          ? usedBytes(size, view.getUint32(at + Inode.a, true), blockSize)
          : type === FileType.DIR
            ? size
            : 0,
      rdev: {
        specdata1: isDevice ? view.getUint32(at + Inode.a, true) : 0,
        specdata2: isDevice ? view.getUint32(at + Inode.b, true) : 0,
      },
      fileid,
      mtime: {
        seconds: readInt53(view, at + Inode.mtimeSeconds),
        nseconds: view.getUint32(at + Inode.mtimeNanoseconds, true),
      },
    };
  }

  /** The fileid that `name` has in the directory; undefined when it has no such entry. */
  lookup(directory: number, name: string): number | undefined {
    const { view, layout } = this.#manifest;
    const at = this.#inode(directory, FileType.DIR);
    let low = view.getUint32(at + Inode.a, true);
    let high = low + view.getUint32(at + Inode.b, true);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.#compareName(middle, name);
      if (order === 0) return view.getUint32(layout.entries + middle * ENTRY_BYTES + 4, true);
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  /**
   * At most `limit` entries of the directory, in the order of their names, from the one after
   * `cookie`; 0 is the beginning. `.` and `..` are not among them.
   */
  readdir(directory: number, cookie = 0, limit = Infinity): ImageEntry[] {
    const { view, layout } = this.#manifest;
    const at = this.#inode(directory, FileType.DIR);
    const first = view.getUint32(at + Inode.a, true);
    const count = view.getUint32(at + Inode.b, true);
    const entries: ImageEntry[] = [];
    const end = Math.min(count, cookie + limit);
    for (let i = cookie; i < end; i += 1) {
      entries.push({
        name: this.#name(first + i),
        fileid: view.getUint32(layout.entries + (first + i) * ENTRY_BYTES + 4, true),
        cookie: i + 1,
      });
    }
    return entries;
  }

  /** Where the symbolic link points. */
  readlink(fileid: number): string {
    const { bytes, view, layout } = this.#manifest;
    const at = this.#inode(fileid, FileType.LNK);
    const start = layout.targets + view.getUint32(at + Inode.a, true);
    return bytes.toString('latin1', start, start + this.#size(at));
  }

  /** Extended attributes, capabilities among them, in the order of their names. */
  xattrs(fileid: number): Xattr[] {
    const { bytes, view, counts, layout } = this.#manifest;
    const set = view.getUint32(this.#inode(fileid) + Inode.xattrSet, true);
    if (set === 0) return [];
    const at = layout.xattrSets + (set - 1) * OFFSET_BYTES;
    const end = set === counts.xattrSets ? counts.xattrBytes : view.getUint32(at + 4, true);
    const start = layout.xattrs + view.getUint32(at, true);
    return decodeXattrSet(bytes.subarray(start, layout.xattrs + end)) ?? [];
  }

  /** The directory that has the file's first name; the root is its own. */
  parent(fileid: number): number {
    return this.#manifest.view.getUint32(this.#inode(fileid) + Inode.parent, true);
  }

  /** The names that lead from the root to the file's first name. */
  path(fileid: number): string[] {
    const names: string[] = [];
    for (let each = fileid; each !== ROOT; each = this.parent(each)) {
      names.push(this.#name(this.#manifest.view.getUint32(this.#inode(each) + Inode.entry, true)));
    }
    return names.reverse();
  }

  /**
   * The runs of blocks of a regular file that are not all zero, in order, neither touching nor
   * overlapping. However large the file, they are no more than the manifest has room for.
   */
  runs(fileid: number): ImageRun[] {
    const { view, layout } = this.#manifest;
    const at = this.#inode(fileid, FileType.REG);
    const count = view.getUint32(at + Inode.a, true);
    const extents = view.getUint32(at + Inode.c, true);
    if (count === 0) return [];
    if (extents === 0) {
      return [{ first: 0, count, number: view.getUint32(at + Inode.firstDigest, true) }];
    }
    const first = layout.extents + view.getUint32(at + Inode.b, true) * EXTENT_BYTES;
    return Array.from({ length: extents }, (_, i) => ({
      first: view.getUint32(first + i * EXTENT_BYTES, true),
      count: view.getUint32(first + i * EXTENT_BYTES + 4, true),
      number: view.getUint32(first + i * EXTENT_BYTES + 8, true),
    }));
  }

  /** The digests of `count` of the image's blocks, one after the other, from this number on. */
  digests(number: number, count: number): Buffer {
    if (number < 0 || number + count > this.blockCount) {
      throw new ImageError('NO_SUCH_BLOCK', `the image has no block ${number + count - 1}`);
    }
    const at = this.#manifest.layout.digests + number * DIGEST_BYTES;
    return this.#manifest.bytes.subarray(at, at + count * DIGEST_BYTES);
  }

  /**
   * At most `count` blocks of a regular file, zero ones too, from its block number `first` on; fewer
   * at its end.
   */
  blocks(fileid: number, first: number, count: number): ImageBlock[] {
    const { view, layout } = this.#manifest;
    const at = this.#inode(fileid, FileType.REG);
    const size = this.#size(at);
    const end = Math.min(blockCount(size, this.blockSize), first + count);
    const digests = view.getUint32(at + Inode.a, true);
    const firstDigest = view.getUint32(at + Inode.firstDigest, true);
    const firstExtent = view.getUint32(at + Inode.b, true);
    const endOfExtents = firstExtent + view.getUint32(at + Inode.c, true);
    const blocks: ImageBlock[] = [];
    if (firstExtent === endOfExtents) {
      for (let block = first; block < end; block += 1) {
        blocks.push(
          this.#block(fileid, size, block, digests === 0 ? undefined : firstDigest + block),
        );
      }
      return blocks;
    }
    let extent = this.#extentBefore(firstExtent, endOfExtents, first);
    for (let block = first; block < end; block += 1) {
      const next = layout.extents + (extent + 1) * EXTENT_BYTES;
      if (extent + 1 < endOfExtents && view.getUint32(next, true) <= block) extent += 1;
      const extentAt = layout.extents + extent * EXTENT_BYTES;
      const within = block - view.getUint32(extentAt, true);
      const isStored = within >= 0 && within < view.getUint32(extentAt + 4, true);
      const number = isStored ? view.getUint32(extentAt + 8, true) + within : undefined;
      blocks.push(this.#block(fileid, size, block, number));
    }
    return blocks;
  }

  /**
   * Where the image's block of this number is: what a list of block numbers, such as a boot
   * profile, is fetched by.
   */
  storedBlock(number: number): ImageBlock {
    const { view, layout } = this.#manifest;
    if (!Number.isInteger(number) || number < 0 || number >= this.blockCount) {
      throw new ImageError('NO_SUCH_BLOCK', `the image has no block ${number}`);
    }
    // The last inode whose blocks begin at or before it: those after it have others or none.
    let low = ROOT;
    let high = this.inodeCount;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (view.getUint32(this.#inode(middle) + Inode.firstDigest, true) <= number) low = middle;
      else high = middle - 1;
    }
    const at = this.#inode(low);
    const within = number - view.getUint32(at + Inode.firstDigest, true);
    const extents = view.getUint32(at + Inode.c, true);
    if (extents === 0) return this.#block(low, this.#size(at), within, number);
    const first = view.getUint32(at + Inode.b, true);
    let extent = first;
    let last = first + extents - 1;
    while (extent < last) {
      const middle = (extent + last + 1) >>> 1;
      if (view.getUint32(layout.extents + middle * EXTENT_BYTES + 8, true) <= number) {
        extent = middle;
      } else last = middle - 1;
    }
    const extentAt = layout.extents + extent * EXTENT_BYTES;
    const block = view.getUint32(extentAt, true) + number - view.getUint32(extentAt + 8, true);
    return this.#block(low, this.#size(at), block, number);
  }

  #block(fileid: number, size: number, block: number, number: number | undefined): ImageBlock {
    const offset = block * this.blockSize;
    const length = Math.min(this.blockSize, size - offset);
    if (number === undefined) return { fileid, offset, length, stored: undefined };
    return { fileid, offset, length, stored: { number, digest: this.digests(number, 1) } };
  }

  /** The last extent that begins at or before `block`, or the first of all. */
  #extentBefore(first: number, end: number, block: number): number {
    const { view, layout } = this.#manifest;
    let low = first;
    let high = end - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (view.getUint32(layout.extents + middle * EXTENT_BYTES, true) <= block) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Where the record of the inode is. */
  #inode(fileid: number, type?: FileType): number {
    if (!this.has(fileid)) {
      throw new ImageError('NO_SUCH_INODE', `the image has no inode ${fileid}`);
    }
    const at = this.#manifest.layout.inodes + (fileid - 1) * INODE_BYTES;
    if (type !== undefined && this.#manifest.view.getUint8(at + Inode.type) !== type) {
      throw new ImageError('WRONG_TYPE', `inode ${fileid} is of another type`);
    }
    return at;
  }

  #size(at: number): number {
    return readInt53(this.#manifest.view, at + Inode.size);
  }

  #name(entry: number): string {
    const { bytes, view, layout } = this.#manifest;
    const start = layout.names + view.getUint32(layout.entries + entry * ENTRY_BYTES, true);
    return bytes.toString('latin1', start, this.#nameEnd(entry));
  }

  /** Below 0 when the entry's name is before `name`. Byte by byte: it takes less than a native call. */
  #compareName(entry: number, name: string): number {
    const { bytes, view, layout } = this.#manifest;
    const start = layout.names + view.getUint32(layout.entries + entry * ENTRY_BYTES, true);
    const length = this.#nameEnd(entry) - start;
    for (let i = 0; i < length && i < name.length; i += 1) {
      const order = (bytes[start + i] ?? 0) - name.charCodeAt(i);
      if (order !== 0) return order;
    }
    return length - name.length;
  }

  #nameEnd(entry: number): number {
    const { view, counts, layout } = this.#manifest;
    if (entry + 1 === counts.entries) return layout.names + counts.nameBytes;
    return layout.names + view.getUint32(layout.entries + (entry + 1) * ENTRY_BYTES, true);
  }
}
