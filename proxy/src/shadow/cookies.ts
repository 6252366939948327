import type { Filename } from '@rowfs/nfs3';

/**
 * Where a name stands in its directory: a 62-bit hash of it, as two halves because they are compared
 * far more often than they are sent. READDIR lists in this order and its cookies are these hashes,
 * so a cookie means the same place after a restart and whatever was created or removed meanwhile.
 */
export interface Position {
  readonly high: number;
  readonly low: number;
}

/** Cookies of '.' and '..'; 0 asks for the beginning. No name hashes below FIRST_NAME_COOKIE. */
export const DOT_COOKIE = 1n;
export const DOT_DOT_COOKIE = 2n;
const FIRST_NAME_HIGH = 1;

export function comparePositions(a: Position, b: Position): number {
  return a.high - b.high || a.low - b.low;
}

export function cookieOf({ high, low }: Position): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

export function positionOf(cookie: bigint): Position {
  return { high: Number(cookie >> 32n), low: Number(cookie & 0xffffffffn) };
}

/**
 * The hash, two multiply-and-rotate lanes seeded by the shadow's own id: nobody can choose names
 * that collide without knowing it. Not cryptographic; a collision costs only that both are sent
 * together.
 */
export class NameHash {
  readonly #seedA: number;
  readonly #seedB: number;

  /** @param seed 8 bytes that never change for one shadow. */
  constructor(seed: Buffer) {
    this.#seedA = seed.readUInt32BE(0);
    this.#seedB = seed.readUInt32BE(4);
  }

  position(name: Filename): Position {
    let a = this.#seedA;
    let b = this.#seedB;
    for (let i = 0; i < name.length; i += 1) {
      const byte = name.charCodeAt(i);
      a = Math.imul(a ^ byte, 0x85ebca6b);
      a = (a << 13) | (a >>> 19);
      b = Math.imul(b ^ byte, 0xc2b2ae35) + a;
      b = (b << 11) | (b >>> 21);
    }
    a = finish(a ^ name.length);
    b = finish(b + a);
    return { high: FIRST_NAME_HIGH + ((a >>> 0) % 0x3ffffffe), low: b >>> 0 };
  }
}

/** Spreads every bit of `x` over all 32. */
function finish(x: number): number {
  let mixed = x ^ (x >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
