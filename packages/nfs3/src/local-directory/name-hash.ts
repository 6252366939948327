import type { Filename } from '../types.ts';

/** 64 bits in two halves, both unsigned. */
export interface NameHash {
  readonly high: number;
  readonly low: number;
}

/**
 * Hashes a name. Handles and cookies that clients keep over a restart are made of it: it must never
 * change. It spreads; it does not withstand an attacker, so callers must be right about equal hashes.
 */
export function nameHash(name: Filename): NameHash {
  let low = 0x811c9dc5;
  let high = 0x2f0b4c47;
  for (let i = 0; i < name.length; i += 1) {
    const byte = name.charCodeAt(i);
    low = Math.imul(low ^ byte, 0x01000193);
    high = Math.imul(high ^ byte, 0x85ebca6b) ^ (high >>> 15);
  }
  low ^= low >>> 16;
  low = Math.imul(low, 0xc2b2ae35);
  high ^= high >>> 13;
  high = Math.imul(high, 0x27d4eb2f);
  return { high: (high ^ (high >>> 16)) >>> 0, low: (low ^ (low >>> 15)) >>> 0 };
}
