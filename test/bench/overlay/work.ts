/** The pieces of work of `overlay-ops`, and what both kinds of client, NFS and local, tell of one. */

/** What is done, and in what; names are below the root of what is measured. */
export type Work =
  /** CREATE, LOOKUP and REMOVE of `count` empty files in a directory of their own. */
  | {
      readonly kind: 'files';
      readonly parent: string;
      readonly count: number;
      readonly inFlight: number;
    }
  /** Writes of 4 KiB, each stable before the next: `inFlight` files, `count` writes in all. */
  | {
      readonly kind: 'stable-writes';
      readonly parent: string;
      readonly count: number;
      readonly inFlight: number;
      /** With FILE_SYNC, or UNSTABLE and a COMMIT after each one; locally both are fdatasync. */
      readonly how: 'file-sync' | 'commit';
    }
  /** A new file of `bytes`, written in pieces of `pieceBytes` and synced once at the end. */
  | {
      readonly kind: 'sequential-write';
      readonly parent: string;
      readonly bytes: number;
      readonly pieceBytes: number;
      readonly inFlight: number;
    }
  /** `count` different blocks of 4 KiB of a large file of the image, in no order, synced once. */
  | {
      readonly kind: 'rewrite';
      readonly file: string;
      readonly fileBytes: number;
      readonly count: number;
      readonly inFlight: number;
      readonly seed: number;
    }
  /** A block of 4 KiB into each of some files of the image: every `every`th of each directory. */
  | {
      readonly kind: 'change-files';
      readonly directory: string;
      readonly every: number;
      readonly inFlight: number;
    }
  /** `ls -lR`: all names with their attributes, one page after the other. */
  | { readonly kind: 'walk'; readonly directory: string }
  /** All of a file, from its beginning. */
  | {
      readonly kind: 'read';
      readonly file: string;
      readonly bytes: number;
      readonly pieceBytes: number;
      readonly inFlight: number;
    };

/** Each phase of the work: what was done (files, writes, bytes, names) and the seconds that it took. */
export type Done = Readonly<Record<string, { readonly amount: number; readonly seconds: number }>>;

export const BLOCK_BYTES = 4096;

/** Times phases one after the other. */
export class Stopwatch {
  readonly #done: Record<string, { amount: number; seconds: number }> = {};

  /** @param phase resolves with the amount that it did. */
  async time(name: string, phase: () => number | Promise<number>): Promise<void> {
    const begin = performance.now();
    const amount = await phase();
    this.#done[name] = { amount, seconds: (performance.now() - begin) / 1000 };
  }

  get done(): Done {
    return this.#done;
  }
}

/** The first `count` block numbers of a walk over all `blocks` that has no order and no repetition. */
export function scatteredBlocks(blocks: number, count: number, seed: number): number[] {
  // A stride coprime to the number of blocks comes to each block once.
  let stride = Math.floor(blocks * 0.618) | 1;
  while (greatestCommonDivisor(stride, blocks) !== 1) stride += 2;
  return Array.from({ length: count }, (_, i) => (seed + i * stride) % blocks);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
