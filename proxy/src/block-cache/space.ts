import { statfs } from 'node:fs/promises';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** How much of its disk a cache may take; in bytes. */
export interface CacheLimits {
  /** For all of it. Default: a quarter of the disk, at most 20 GiB. */
  readonly maxBytes?: number;
  /** Of the disk, left free whoever fills it. Default: five percent, at most 10 GiB. */
  readonly reserveBytes?: number;
  /** Of the blocks in one file. Default: a hundred of these are the cache, each from 1 to 256 MiB. */
  readonly segmentBytes?: number;
}

/**
 * A shadow's reserve is smaller (shadow/space.ts): a cache gives way before what a machine writes does.
 */
export async function limitsFor(
  directory: string,
  limits: CacheLimits,
): Promise<Required<CacheLimits>> {
  // Of a directory that is not there: nothing can be stored, and the first try says so.
  const { blocks, bsize } = await statfs(directory).catch(() => ({ blocks: 0, bsize: 0 }));
  const diskBytes = blocks * bsize;
  const maxBytes = limits.maxBytes ?? Math.min(diskBytes / 4, 20 * GIB);
  const reserveBytes = limits.reserveBytes ?? Math.min(diskBytes / 20, 10 * GIB);
  const segmentBytes = limits.segmentBytes ?? Math.min(Math.max(maxBytes / 100, MIB), 256 * MIB);
  return {
    maxBytes: Math.floor(maxBytes),
    reserveBytes: Math.floor(reserveBytes),
    segmentBytes: Math.floor(segmentBytes),
  };
}

/** Bytes of its disk that a process may still take. */
export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}
