import { type BigIntStats, readdirSync } from 'node:fs';
import type { Filehandle, Filename, Ftype3 } from '../types.ts';
import { typeOf } from './attributes.ts';
import { isExhaustion } from './errno.ts';
import { generationOf } from './handle.ts';

/** An inode that is held open. Use it in the turn in which it was got: later it may be closed. */
export interface Pin {
  readonly handle: Filehandle;
  readonly ino: bigint;
  readonly generation: number;
  readonly type: Ftype3;
  /** A path that leads to this very inode, through no directory. */
  readonly path: string;
  readonly fd: number;
}

/** An entry of a directory, as it was a moment ago. */
export interface Entry {
  readonly handle: Filehandle;
  readonly stats: BigIntStats;
}

/** The path of `name` in a held directory; names are bytes, so it is a Buffer. */
export function entryPath(dir: Pin, name: Filename): Buffer {
  return Buffer.from(`${dir.path}/${name}`, 'latin1');
}

export function makePin(fd: number, stats: BigIntStats, handle: Filehandle): Pin {
  return {
    fd,
    handle,
    ino: stats.ino,
    generation: generationOf(stats),
    type: typeOf(stats),
    path: `/proc/self/fd/${fd}`,
  };
}

/** The names in a directory, '.' and '..' not among them; none when it cannot be read. */
export function namesIn(dir: Pin): string[] {
  try {
    return readdirSync(`${dir.path}/.`, 'latin1');
  } catch (error) {
    if (isExhaustion(error)) throw error;
    return [];
  }
}
