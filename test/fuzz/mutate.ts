import { MAX_INPUT_BYTES } from './parser.ts';
import type { Random } from '../support/random.ts';

/** Lengths, counts and discriminants at which parsers go wrong. */
const TELLING_WORDS = [
  0, 1, 2, 3, 4, 16, 63, 64, 65, 255, 256, 400, 1024, 4096, 65_535, 0x10_0000, 0x7fff_ffff,
  0x8000_0000, 0xffff_fffc, 0xffff_ffff,
] as const;
const MAX_STEPS = 6;

type Mutation = (bytes: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

const mutations: readonly Mutation[] = [
  function flipBit(bytes, random) {
    return changed(bytes, (copy) => {
      const at = random.below(copy.length);
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
    });
  },
  function setByte(bytes, random) {
    return changed(bytes, (copy) => {
      copy[random.below(copy.length)] = random.below(256);
    });
  },
  function setWord(bytes, random) {
    return changedWord(bytes, random, () => random.pick(TELLING_WORDS));
  },
  function stepWord(bytes, random) {
    return changedWord(bytes, random, (word) => word + random.below(9) - 4);
  },
  function truncate(bytes, random) {
    return bytes.slice(0, random.below(bytes.length + 1));
  },
  function remove(bytes, random) {
    const { start, end } = range(bytes, random);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  },
  function repeat(bytes, random) {
    const { start, end } = range(bytes, random);
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]);
  },
  function insert(bytes, random) {
    const at = random.below(bytes.length + 1);
    const added = Uint8Array.from({ length: 1 + random.below(8) }, () => random.below(256));
    return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at)]);
  },
  function splice(bytes, random, other) {
    const head = bytes.subarray(0, random.below(bytes.length + 1));
    return Buffer.concat([head, other.subarray(random.below(other.length + 1))]);
  },
];

/** A few random changes of `bytes`, some with parts of `other`. Neither is written to. */
export function mutate(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let mutant = bytes;
  for (let steps = 1 + random.below(MAX_STEPS); steps > 0; steps -= 1) {
    mutant = random.pick(mutations)(mutant, random, other);
  }
  return mutant.subarray(0, MAX_INPUT_BYTES);
}

function changed(bytes: Uint8Array, change: (copy: Uint8Array) => void): Uint8Array {
  const copy = Uint8Array.from(bytes);
  if (copy.length > 0) change(copy);
  return copy;
}

/** XDR and the stream protocols put their words at multiples of four. */
function changedWord(
  bytes: Uint8Array,
  random: Random,
  change: (word: number) => number,
): Uint8Array {
  return changed(bytes, (copy) => {
    if (copy.length < 4) return;
    const at = 4 * random.below(copy.length >> 2);
    const view = new DataView(copy.buffer, copy.byteOffset);
    view.setUint32(at, change(view.getUint32(at)) >>> 0);
  });
}

function range(bytes: Uint8Array, random: Random): { start: number; end: number } {
  const start = random.below(bytes.length + 1);
  return { start, end: Math.min(bytes.length, start + 1 + random.below(64)) };
}
