import type { BigIntStats } from 'node:fs';
import { type Filehandle, type Filename, NFS3_FHSIZE } from '../types.ts';
import { nameHash } from './name-hash.ts';

/*
 * A handle says which inode it means, and where it was when the handle was made:
 *
 *   byte 0       layout version
 *   1 .. 4       which export: a hash of the root's inode and birth
 *   5 .. 12      inode number
 *   13 .. 16     generation: a hash of the inode's birth, so that a re-used inode number is STALE
 *   17           how many names lead from the root to it (255: or more)
 *   18 .. 63     one byte of hash for each of those names, as far as they fit
 *
 * Nothing is stored: a restarted server finds the inode by descending through the names whose hash
 * fits (inodes.ts). The last bytes are hints, never identity: after a rename they lead nowhere and the
 * inode is searched for. Limits: 46 names deep, below that the descent tries every name; and on a file
 * system without birth times a re-used inode number is not noticed.
 */
const VERSION = 1;
const EXPORT_AT = 1;
const INO_AT = 5;
const GENERATION_AT = 13;
const DEPTH_AT = 17;
const HINTS_AT = 18;
const MAX_HINTS = NFS3_FHSIZE - HINTS_AT;
const MAX_DEPTH = 255;

export function hintOf(name: Filename): number {
  return nameHash(name).low & 0xff;
}

/** 32 bits of the inode's birth and kind; never re-used together with the inode number. */
export function generationOf(stats: BigIntStats): number {
  const birth = stats.birthtimeNs;
  const low = Number(BigInt.asUintN(32, birth));
  const high = Number(BigInt.asUintN(32, birth >> 32n));
  const kind = Number(stats.mode) >> 12;
  return (Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b) ^ kind) >>> 0;
}

function view(handle: Filehandle): DataView {
  return new DataView(handle.buffer, handle.byteOffset, handle.byteLength);
}

/** The handle of the root itself. */
export function rootHandle(exportId: number, ino: bigint, generation: number): Filehandle {
  const handle = new Uint8Array(HINTS_AT);
  const bytes = view(handle);
  bytes.setUint8(0, VERSION);
  bytes.setUint32(EXPORT_AT, exportId);
  bytes.setBigUint64(INO_AT, ino);
  bytes.setUint32(GENERATION_AT, generation);
  return handle;
}

/** The handle of the inode that `name` is in the directory of handle `dir`. */
export function childHandle(
  dir: Filehandle,
  name: Filename,
  ino: bigint,
  generation: number,
): Filehandle {
  const hints = dir.length - HINTS_AT;
  const depth = Math.min(depthOf(dir) + 1, MAX_DEPTH);
  const handle = new Uint8Array(HINTS_AT + Math.min(hints + 1, MAX_HINTS));
  handle.set(dir);
  const bytes = view(handle);
  bytes.setBigUint64(INO_AT, ino);
  bytes.setUint32(GENERATION_AT, generation);
  bytes.setUint8(DEPTH_AT, depth);
  if (hints < MAX_HINTS) bytes.setUint8(HINTS_AT + hints, hintOf(name));
  return handle;
}

/** Could this service have made it? */
export function isWellFormed(handle: Filehandle): boolean {
  if (handle.length < HINTS_AT || handle.length > NFS3_FHSIZE || handle[0] !== VERSION)
    return false;
  return handle.length - HINTS_AT === Math.min(depthOf(handle), MAX_HINTS);
}

export function exportOf(handle: Filehandle): number {
  return view(handle).getUint32(EXPORT_AT);
}

export function inoOf(handle: Filehandle): bigint {
  return view(handle).getBigUint64(INO_AT);
}

export function generationIn(handle: Filehandle): number {
  return view(handle).getUint32(GENERATION_AT);
}

export function depthOf(handle: Filehandle): number {
  return handle[DEPTH_AT] ?? 0;
}

/** The hash that the `level`th name had, from 0; undefined when it did not fit into the handle. */
export function hintAt(handle: Filehandle, level: number): number | undefined {
  return handle[HINTS_AT + level];
}
