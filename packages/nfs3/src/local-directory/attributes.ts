import { type BigIntStats, fstatSync } from 'node:fs';
import { type Fattr3, Ftype3, type Nfstime3, type WccAttr, type WccData } from '../types.ts';

const S_IFMT = 0o170000;
const typeOfFormat: ReadonlyMap<number, Ftype3> = new Map([
  [0o010000, Ftype3.FIFO],
  [0o020000, Ftype3.CHR],
  [0o040000, Ftype3.DIR],
  [0o060000, Ftype3.BLK],
  [0o100000, Ftype3.REG],
  [0o120000, Ftype3.LNK],
  [0o140000, Ftype3.SOCK],
]);

const BYTES_PER_BLOCK = 512;
const NS_PER_SECOND = 1_000_000_000n;
const UINT32_MAX = 0xffff_ffff;

export function typeOf(stats: BigIntStats): Ftype3 {
  return typeOfFormat.get(Number(stats.mode) & S_IFMT) ?? Ftype3.REG;
}

/** nfstime3 has no time before 1970 and none after 2106: they become the nearest it has. */
function nfstime3(ns: bigint): Nfstime3 {
  if (ns < 0n) return { seconds: 0, nseconds: 0 };
  const seconds = Number(ns / NS_PER_SECOND);
  if (seconds > UINT32_MAX) return { seconds: UINT32_MAX, nseconds: 0 };
  return { seconds, nseconds: Number(ns % NS_PER_SECOND) };
}

/** Linux's split of a device number, as makedev(3) has it. */
function specdata3(rdev: bigint): Fattr3['rdev'] {
  if (rdev === 0n) return { specdata1: 0, specdata2: 0 };
  return {
    specdata1: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn)),
    specdata2: Number((rdev & 0xffn) | ((rdev >> 12n) & ~0xffn & 0xffff_ffffn)),
  };
}

export function toFattr3(stats: BigIntStats, fsid: bigint): Fattr3 {
  return {
    type: typeOf(stats),
    mode: Number(stats.mode) & 0o7777,
    nlink: Number(stats.nlink),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: Number(stats.size),
    used: Number(stats.blocks) * BYTES_PER_BLOCK,
    rdev: specdata3(stats.rdev),
    fsid,
    fileid: stats.ino,
    atime: nfstime3(stats.atimeNs),
    mtime: nfstime3(stats.mtimeNs),
    ctime: nfstime3(stats.ctimeNs),
  };
}

function toWccAttr({ size, mtime, ctime }: Fattr3): WccAttr {
  return { size, mtime, ctime };
}

/**
 * wcc_data of an operation that ran between `before` and `after` without giving up the thread, so
 * that nobody of this process came in between.
 */
export function toWccData(before: Fattr3, after: Fattr3): WccData {
  return { before: toWccAttr(before), after };
}

export function statDescriptor(fd: number): BigIntStats {
  return fstatSync(fd, { bigint: true });
}
