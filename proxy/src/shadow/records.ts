import {
  type Filehandle,
  type Filename,
  type Ftype3,
  NFS3_FHSIZE,
  type Nfspath,
  type Nfstime3,
  type Specdata3,
  type Verf3,
} from '@rowfs/nfs3';
import type { Position } from './cookies.ts';
import { ShadowError } from './shadow-error.ts';

/*
 * Everything the shadow knows besides file contents, as records of one store (../store/record-store.ts). The first byte
 * of a key is the table (capitals are the failover layer's); keys are handled as strings of one
 * character per byte.
 *
 *     n <node id:6>                         a node (below)
 *     l <handle in the lower>               id:6 of the node that the lower's object became, 0: removed
 *     e <directory's node id:6> <position:8> <name>
 *                                           id:6 of the entry's node, 0: a whiteout; flags:1, bit 0:
 *                                           the lower directory has this name too
 *     p <node id:6> <chunk:4>               presence bits of 4096 blocks, trailing zero bytes left out
 *     r <place in the ring:2>               the reply to a change (kept-replies.ts)
 *     m <name>                              the shadow's own facts: id, format, next node id, ...
 *
 * All integers are big-endian. Entries sort by position, so a page of READDIR is one range.
 */

/** What an object of the lower was before it was changed here: what the change is told from. */
export interface Origin {
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: Nfstime3;
}

/** An object that was created or changed here: its attributes are all in the node. */
export interface Node {
  readonly id: number;
  readonly type: Ftype3;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly used: number;
  readonly rdev: Specdata3;
  readonly fileid: bigint;
  readonly atime: Nfstime3;
  readonly mtime: Nfstime3;
  readonly ctime: Nfstime3;
  /** The object of the lower that this was, by its handle there; undefined when born here. */
  readonly lower: Filehandle | undefined;
  /** Undefined when born here, as `lower` is. */
  readonly origin: Origin | undefined;
  /** How many bytes of the lower's data still show: cut by truncation, never grown again. */
  readonly lowerLimit: number;
  /** Directories: node id of the parent when it is not the one that the lower tells, else 0. */
  readonly parent: number;
  /** Directories: how many entries have a node, that is live names that are recorded here. */
  readonly children: number;
  /** Symbolic links born here: their text. */
  readonly target: Nfspath;
  /** Files made by an EXCLUSIVE create: its verifier. */
  readonly verf: Verf3 | undefined;
}

/** A name that is recorded here. `id` 0 is a whiteout: the lower's name is gone. */
export interface Entry {
  readonly id: number;
  /** The lower directory has this name: without this record it would show again. */
  readonly coversLower: boolean;
}

const ID_BYTES = 6;
/** Node ids, like fileids of the lower, are counted from below 2^40; see {@link bornFileid}. */
const FIRST_BORN_FILEID = 1n << 40n;

/** fileid of an object born in the shadow: above those that the failover layer gives. */
export function bornFileid(id: number): bigint {
  return FIRST_BORN_FILEID + BigInt(id);
}

export const nodeKey = (id: number): string => `n${idText(id)}`;
export const LOWER_TABLE = 'l';
export const lowerKey = (handle: Filehandle): string => LOWER_TABLE + latin1(handle);
export const presencePrefix = (id: number): string => `p${idText(id)}`;
export const REPLY_TABLE = 'r';
export const metaKey = (name: string): string => `m${name}`;
export const entriesPrefix = (directory: number): string => `e${idText(directory)}`;

export function entryKey(directory: number, position: Position, name: Filename): string {
  return `e${idText(directory)}${uint32Text(position.high)}${uint32Text(position.low)}${name}`;
}

export function entriesFrom(directory: number, position: Position): string {
  return `e${idText(directory)}${uint32Text(position.high)}${uint32Text(position.low)}`;
}

export function presenceKey(id: number, chunk: number): string {
  return `p${idText(id)}${uint32Text(chunk)}`;
}

/** Position and name from an entry's key. */
export function readEntryKey(key: Buffer): { position: Position; name: Filename } {
  const at = 1 + ID_BYTES;
  return {
    position: { high: key.readUInt32BE(at), low: key.readUInt32BE(at + 4) },
    name: key.toString('latin1', at + 8),
  };
}

export function latin1(bytes: Uint8Array): string {
  if (Buffer.isBuffer(bytes)) return bytes.toString('latin1');
  // A small array has its bytes with it until somebody asks for its buffer, which takes longer than this.
  if (bytes.length <= NFS3_FHSIZE) return Buffer.from(bytes).toString('latin1');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function uint32Text(value: number): string {
  return String.fromCharCode(
    value >>> 24,
    (value >>> 16) & 0xff,
    (value >>> 8) & 0xff,
    value & 0xff,
  );
}

function idText(id: number): string {
  const high = Math.floor(id / 0x1_0000_0000);
  return String.fromCharCode(high >>> 8, high & 0xff) + uint32Text(id >>> 0);
}

export function encodeId(id: number): Buffer {
  const bytes = Buffer.allocUnsafe(ID_BYTES);
  bytes.writeUIntBE(id, 0, ID_BYTES);
  return bytes;
}

export function decodeId(bytes: Buffer): number {
  return bytes.readUIntBE(0, ID_BYTES);
}

export function encodeEntry(entry: Entry): Buffer {
  const bytes = Buffer.allocUnsafe(ID_BYTES + 1);
  bytes.writeUIntBE(entry.id, 0, ID_BYTES);
  bytes[ID_BYTES] = entry.coversLower ? 1 : 0;
  return bytes;
}

export function decodeEntry(bytes: Buffer): Entry {
  return { id: bytes.readUIntBE(0, ID_BYTES), coversLower: bytes[ID_BYTES] === 1 };
}

/*
 * A node, format 2: format:1 type:1 flags:1 (1 has lower, 2 has verf) lower length:1 mode:4 nlink:4
 * uid:4 gid:4 size:8 used:8 rdev:4+4 fileid:8 atime:4+4 mtime:4+4 ctime:4+4 lowerLimit:8 parent:6
 * children:6 verf:8; with a lower its origin, mode:4 nlink:4 uid:4 gid:4 size:8 mtime:4+4, and its handle;
 * symlink text to the end. Sizes are IEEE doubles, exact to 2^53.
 */
const NODE_FORMAT = 2;
const HAS_LOWER = 1;
const HAS_VERF = 2;
const FIXED_BYTES = 104;
const ORIGIN_BYTES = 32;

export function encodeNode(node: Node): Buffer {
  const lowerLength = node.lower?.length ?? 0;
  const lowerAt = FIXED_BYTES + (node.origin === undefined ? 0 : ORIGIN_BYTES);
  const bytes = Buffer.allocUnsafe(lowerAt + lowerLength + node.target.length);
  bytes[0] = NODE_FORMAT;
  bytes[1] = node.type;
  bytes[2] = (node.lower === undefined ? 0 : HAS_LOWER) | (node.verf === undefined ? 0 : HAS_VERF);
  bytes[3] = lowerLength;
  bytes.writeUInt32BE(node.mode, 4);
  bytes.writeUInt32BE(node.nlink, 8);
  bytes.writeUInt32BE(node.uid, 12);
  bytes.writeUInt32BE(node.gid, 16);
  bytes.writeDoubleBE(node.size, 20);
  bytes.writeDoubleBE(node.used, 28);
  bytes.writeUInt32BE(node.rdev.specdata1, 36);
  bytes.writeUInt32BE(node.rdev.specdata2, 40);
  bytes.writeBigUInt64BE(node.fileid, 44);
  writeTime(bytes, node.atime, 52);
  writeTime(bytes, node.mtime, 60);
  writeTime(bytes, node.ctime, 68);
  bytes.writeDoubleBE(node.lowerLimit, 76);
  bytes.writeUIntBE(node.parent, 84, ID_BYTES);
  bytes.writeUIntBE(node.children, 90, ID_BYTES);
  bytes.writeBigUInt64BE(node.verf ?? 0n, 96);
  if (node.origin !== undefined) writeOrigin(bytes, node.origin);
  if (node.lower !== undefined) bytes.set(node.lower, lowerAt);
  bytes.write(node.target, lowerAt + lowerLength, 'latin1');
  return bytes;
}

/** @throws ShadowError SHADOW_CORRUPT for a format that this version does not know. */
export function decodeNode(id: number, bytes: Buffer): Node {
  if (bytes[0] !== NODE_FORMAT || bytes.length < FIXED_BYTES) {
    throw unknownFormat(id);
  }
  const flags = bytes.readUInt8(2);
  const hasLower = (flags & HAS_LOWER) !== 0;
  const lowerAt = FIXED_BYTES + (hasLower ? ORIGIN_BYTES : 0);
  const lowerEnd = lowerAt + bytes.readUInt8(3);
  if (bytes.length < lowerEnd) throw unknownFormat(id);
  return {
    id,
    type: bytes.readUInt8(1) as Ftype3,
    mode: bytes.readUInt32BE(4),
    nlink: bytes.readUInt32BE(8),
    uid: bytes.readUInt32BE(12),
    gid: bytes.readUInt32BE(16),
    size: bytes.readDoubleBE(20),
    used: bytes.readDoubleBE(28),
    rdev: { specdata1: bytes.readUInt32BE(36), specdata2: bytes.readUInt32BE(40) },
    fileid: bytes.readBigUInt64BE(44),
    atime: readTime(bytes, 52),
    mtime: readTime(bytes, 60),
    ctime: readTime(bytes, 68),
    lower: hasLower ? bytes.subarray(lowerAt, lowerEnd) : undefined,
    origin: hasLower ? readOrigin(bytes) : undefined,
    lowerLimit: bytes.readDoubleBE(76),
    parent: bytes.readUIntBE(84, ID_BYTES),
    children: bytes.readUIntBE(90, ID_BYTES),
    target: bytes.toString('latin1', lowerEnd),
    verf: (flags & HAS_VERF) === 0 ? undefined : bytes.readBigUInt64BE(96),
  };
}

function unknownFormat(id: number): ShadowError {
  return new ShadowError('SHADOW_CORRUPT', `node ${id} of the shadow is not in a known format`);
}

function writeOrigin(bytes: Buffer, origin: Origin): void {
  bytes.writeUInt32BE(origin.mode, FIXED_BYTES);
  bytes.writeUInt32BE(origin.nlink, FIXED_BYTES + 4);
  bytes.writeUInt32BE(origin.uid, FIXED_BYTES + 8);
  bytes.writeUInt32BE(origin.gid, FIXED_BYTES + 12);
  bytes.writeDoubleBE(origin.size, FIXED_BYTES + 16);
  writeTime(bytes, origin.mtime, FIXED_BYTES + 24);
}

function readOrigin(bytes: Buffer): Origin {
  return {
    mode: bytes.readUInt32BE(FIXED_BYTES),
    nlink: bytes.readUInt32BE(FIXED_BYTES + 4),
    uid: bytes.readUInt32BE(FIXED_BYTES + 8),
    gid: bytes.readUInt32BE(FIXED_BYTES + 12),
    size: bytes.readDoubleBE(FIXED_BYTES + 16),
    mtime: readTime(bytes, FIXED_BYTES + 24),
  };
}

function writeTime(bytes: Buffer, time: Nfstime3, at: number): void {
  bytes.writeUInt32BE(time.seconds, at);
  bytes.writeUInt32BE(time.nseconds, at + 4);
}

function readTime(bytes: Buffer, at: number): Nfstime3 {
  return { seconds: bytes.readUInt32BE(at), nseconds: bytes.readUInt32BE(at + 4) };
}
