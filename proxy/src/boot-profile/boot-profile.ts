import type { Image } from '@rowfs/image';

/** Blocks of an image that follow each other, in the image and in the order of use. */
export interface ProfileRun {
  /** Number of the first, as the image counts its stored blocks. */
  readonly first: number;
  readonly count: number;
  /** In how many of the profile's boots they were used. */
  readonly boots: number;
}

/** Which blocks of an image a boot uses, in the order of first use: what a machine fetches ahead. */
export interface BootProfile {
  /** The image's digest. */
  readonly image: Buffer;
  /** How many boots it was made from. */
  readonly boots: number;
  /** No block is in two of them. */
  readonly runs: readonly ProfileRun[];
}

/** So that what a version is used for today counts more than what it was used for long ago. */
const MAX_BOOTS = 16;
/** A block is forgotten when it was used in fewer of the boots than this part. */
const MIN_SHARE = 0.25;

/**
 * The profile of one boot.
 *
 * @param firstUses numbers of blocks, each once, in the order of their first use.
 */
export function profileOfBoot(image: Image, firstUses: Iterable<number>): BootProfile {
  const uses = [...firstUses].map((number) => ({ number, boots: 1 }));
  return { image: image.digest, boots: 1, runs: runsOf(uses) };
}

/** The numbers of the blocks, in the order in which they are to be fetched. */
export function* blocksOfProfile({ runs }: BootProfile): Generator<number> {
  for (const { first, count } of runs)
    for (let number = first; number < first + count; number += 1) yield number;
}

interface Use {
  readonly number: number;
  readonly boots: number;
}

/**
 * What both know, in one order: each block stands where it stood on average. What most boots did
 * without is left out, and old boots weigh less and less. Both must be of the same image.
 */
export function mergeProfiles(a: BootProfile, b: BootProfile): BootProfile {
  const places = new Map<number, { boots: number; place: number }>();
  for (const profile of [a, b]) {
    let place = 0;
    for (const { first, count, boots } of profile.runs) {
      for (let number = first; number < first + count; number += 1) {
        const known = places.get(number) ?? { boots: 0, place: 0 };
        const total = known.boots + boots;
        const average = (known.place * known.boots + place * boots) / total;
        places.set(number, { boots: total, place: average });
        place += 1;
      }
    }
  }
  const boots = a.boots + b.boots;
  // Halved until it fits, and with it what each block counts.
  const divisor = 2 ** Math.max(0, Math.ceil(Math.log2(boots / MAX_BOOTS)));
  const kept = [...places]
    .filter(([, each]) => each.boots >= boots * MIN_SHARE)
    .sort(([n, x], [m, y]) => x.place - y.place || n - m)
    .map(([number, each]) => ({ number, boots: Math.max(1, Math.floor(each.boots / divisor)) }));
  return { image: a.image, boots: Math.ceil(boots / divisor), runs: runsOf(kept) };
}

function runsOf(uses: readonly Use[]): ProfileRun[] {
  const runs: { first: number; count: number; boots: number }[] = [];
  for (const { number, boots } of uses) {
    const last = runs.at(-1);
    if (last !== undefined && number === last.first + last.count && boots === last.boots)
      last.count += 1;
    else runs.push({ first: number, count: 1, boots });
  }
  return runs;
}
