import { DIGEST_BYTES, digestOf } from './digest.ts';
import { ImageError } from './error.ts';
import {
  blockCount,
  type Counts,
  directorySize,
  ENTRY_BYTES,
  EXTENT_BYTES,
  FileType,
  FORMAT_VERSION,
  Header,
  Inode,
  INODE_BYTES,
  isBlockSize,
  layoutOf,
  MAGIC,
  OFFSET_BYTES,
  UINT32_MAX,
} from './format.ts';
import { numberInodes, type NumberedInode } from './number-inodes.ts';
import type { Directory, FileContent } from './tree.ts';
import { XattrSets } from './xattr-sets.ts';

/**
 * The manifest of the tree under `root`, and its inodes in the order of their numbers. The same tree gives the same bytes: inodes are numbered in
 * breadth first order of byte-wise sorted names, and every section follows that order.
 *
 * @throws ImageError UNSUPPORTED for a tree beyond the format's limits.
 */
export function encodeImage(
  root: Directory,
  blockSize: number,
): { bytes: Buffer; inodes: readonly NumberedInode[] } {
  if (!isBlockSize(blockSize)) {
    throw new ImageError(
      'UNSUPPORTED',
      `${blockSize} is no block size: a power of two, 4096 to 1 MiB`,
    );
  }
  const { inodes, entries } = numberInodes(root);
  const xattrs = new XattrSets();
  const sets = inodes.map(({ inode }) => xattrs.add(inode.xattrs));
  const xattrSection = xattrs.encode();
  const counts = countAll(
    inodes,
    entries,
    xattrSection.offsets.length,
    xattrSection.data.length,
    blockSize,
  );
  const layout = layoutOf(counts);
  const bytes = Buffer.alloc(layout.end);

  MAGIC.copy(bytes);
  bytes.writeUInt32LE(FORMAT_VERSION, Header.version);
  bytes.writeUInt32LE(blockSize, Header.blockSize);
  for (const key of Object.keys(counts) as (keyof Counts)[]) {
    bytes.writeUInt32LE(counts[key], Header[key]);
  }

  let name = 0;
  entries.forEach((entry, index) => {
    const at = layout.entries + index * ENTRY_BYTES;
    bytes.writeUInt32LE(name, at);
    bytes.writeUInt32LE(entry.fileid, at + 4);
    name += bytes.write(entry.name, layout.names + name, 'latin1');
  });

  const next = { digest: 0, extent: 0, target: 0 };
  inodes.forEach((numbered, index) => {
    const { inode } = numbered;
    const at = layout.inodes + index * INODE_BYTES;
    writeFacts(bytes, at, numbered, sets[index] ?? 0);
    bytes.writeUInt32LE(next.digest, at + Inode.firstDigest);
    switch (inode.type) {
      case FileType.REG: {
        const { content, size } = inode;
        const digests = content.digests.length / DIGEST_BYTES;
        const extents = storedRuns(content, blockCount(size, blockSize));
        bytes.writeUInt32LE(digests, at + Inode.a);
        bytes.writeUInt32LE(extents.length === 0 ? 0 : next.extent, at + Inode.b);
        bytes.writeUInt32LE(extents.length, at + Inode.c);
        bytes.set(content.digests, layout.digests + next.digest * DIGEST_BYTES);
        let digest = next.digest;
        for (const { first, count } of extents) {
          const extentAt = layout.extents + next.extent * EXTENT_BYTES;
          bytes.writeUInt32LE(first, extentAt);
          bytes.writeUInt32LE(count, extentAt + 4);
          bytes.writeUInt32LE(digest, extentAt + 8);
          digest += count;
          next.extent += 1;
        }
        next.digest += digests;
        break;
      }
      case FileType.DIR:
        bytes.writeUInt32LE(numbered.firstEntry, at + Inode.a);
        bytes.writeUInt32LE(inode.entries.size, at + Inode.b);
        break;
      case FileType.LNK:
        bytes.writeUInt32LE(next.target, at + Inode.a);
        next.target += bytes.write(inode.target, layout.targets + next.target, 'latin1');
        break;
      case FileType.CHR:
      case FileType.BLK:
        bytes.writeUInt32LE(inode.major, at + Inode.a);
        bytes.writeUInt32LE(inode.minor, at + Inode.b);
        break;
      case FileType.SOCK:
      case FileType.FIFO:
    }
  });

  xattrSection.offsets.forEach((offset, index) =>
    bytes.writeUInt32LE(offset, layout.xattrSets + index * OFFSET_BYTES),
  );
  bytes.set(xattrSection.data, layout.xattrs);
  bytes.set(digestOf(bytes.subarray(0, layout.trailer)), layout.trailer);
  return { bytes, inodes };
}

/** A file with no zero block, or with no other, needs no extents to say which its digests are. */
function storedRuns(content: FileContent, blocks: number): FileContent['runs'] {
  return content.digests.length / DIGEST_BYTES === blocks ? [] : content.runs;
}

function countAll(
  inodes: readonly NumberedInode[],
  entries: readonly { readonly name: string }[],
  xattrSets: number,
  xattrBytes: number,
  blockSize: number,
): Counts {
  let digests = 0;
  let extents = 0;
  let targetBytes = 0;
  for (const { inode } of inodes) {
    if (inode.type === FileType.LNK) targetBytes += inode.target.length;
    if (inode.type !== FileType.REG) continue;
    const blocks = blockCount(inode.size, blockSize);
    if (blocks > UINT32_MAX) throw tooLarge('blocks in one file');
    digests += inode.content.digests.length / DIGEST_BYTES;
    extents += storedRuns(inode.content, blocks).length;
  }
  const counts: Counts = {
    inodes: inodes.length,
    entries: entries.length,
    extents,
    digests,
    xattrSets,
    xattrBytes,
    targetBytes,
    nameBytes: entries.reduce((sum, { name }) => sum + name.length, 0),
  };
  for (const [what, count] of Object.entries(counts)) {
    if (count > UINT32_MAX) throw tooLarge(what);
  }
  return counts;
}

function tooLarge(what: string): ImageError {
  return new ImageError('UNSUPPORTED', `the tree is too large for one image: too many ${what}`);
}

function writeFacts(bytes: Buffer, at: number, numbered: NumberedInode, xattrSet: number): void {
  const { inode, nlink, parent, entry } = numbered;
  bytes.writeUInt16LE(inode.mode, at + Inode.mode);
  bytes.writeUInt8(inode.type, at + Inode.type);
  bytes.writeUInt32LE(nlink, at + Inode.nlink);
  bytes.writeUInt32LE(inode.uid, at + Inode.uid);
  bytes.writeUInt32LE(inode.gid, at + Inode.gid);
  bytes.writeBigUInt64LE(BigInt(shownSize(inode)), at + Inode.size);
  bytes.writeBigInt64LE(BigInt(inode.mtime.seconds), at + Inode.mtimeSeconds);
  bytes.writeUInt32LE(inode.mtime.nseconds, at + Inode.mtimeNanoseconds);
  bytes.writeUInt32LE(parent, at + Inode.parent);
  bytes.writeUInt32LE(entry, at + Inode.entry);
  bytes.writeUInt32LE(xattrSet, at + Inode.xattrSet);
}

function shownSize(inode: NumberedInode['inode']): number {
  switch (inode.type) {
    case FileType.REG:
      return inode.size;
    case FileType.DIR: {
      let nameBytes = 0;
      for (const name of inode.entries.keys()) nameBytes += name.length;
      return directorySize(inode.entries.size, nameBytes);
    }
    case FileType.LNK:
      return inode.target.length;
    case FileType.CHR:
    case FileType.BLK:
    case FileType.SOCK:
    case FileType.FIFO:
      return 0;
  }
}
