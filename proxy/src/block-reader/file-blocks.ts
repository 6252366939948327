import type { Image, ImageRun } from '@rowfs/image';
import { LRUCache } from 'lru-cache';
import type { BlockSpan } from '../block-cache/cached-image.ts';

/** What is to be read for a part of a file: so many zeros, or bytes of stored blocks. */
export type FilePart = { readonly zeros: number } | BlockSpan;

/** How many files stay known. */
const MAX_FILES = 512;

interface FileRuns {
  readonly size: number;
  readonly runs: readonly ImageRun[];
}

/** Which of an image's blocks the bytes of its files are. */
export class FileBlocks {
  readonly #image: Image;
  readonly #files = new LRUCache<number, FileRuns>({ max: MAX_FILES });

  constructor(image: Image) {
    this.#image = image;
  }

  /** The stored blocks of the file: their numbers go from `first` up to, not including, `end`. */
  range(fileid: number): { readonly first: number; readonly end: number } {
    const { runs } = this.#runsOf(fileid);
    const last = runs.at(-1);
    const end = last === undefined ? 0 : last.number + last.count;
    return { first: runs[0]?.number ?? 0, end };
  }

  /** The parts of `count` bytes from `offset` on, in their order; all are within the file. */
  parts(fileid: number, offset: number, count: number): FilePart[] {
    const { size, runs } = this.#runsOf(fileid);
    const { blockSize } = this.#image;
    const end = offset + count;
    const parts: FilePart[] = [];
    let at = offset;
    for (let index = firstAfter(runs, Math.floor(offset / blockSize)); at < end; index += 1) {
      const run = runs[index];
      const begin = run === undefined ? end : Math.min(end, run.first * blockSize);
      if (at < begin) parts.push({ zeros: begin - at });
      at = Math.max(at, begin);
      if (run === undefined || at >= end) break;
      const to = Math.min(end, (run.first + run.count) * blockSize);
      if (at < to) parts.push(spanOf(run, { size, blockSize }, at, to));
      at = Math.max(at, to);
    }
    return parts;
  }

  #runsOf(fileid: number): FileRuns {
    const known = this.#files.get(fileid);
    if (known !== undefined) return known;
    const runs = this.#image.runs(fileid);
    const file = { size: this.#image.attributes(fileid).size, runs };
    this.#files.set(fileid, file);
    return file;
  }
}

/** Index of the run that has this block of the file, or else of the next one. */
function firstAfter(runs: readonly ImageRun[], block: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const run = runs[middle];
    if (run !== undefined && run.first + run.count <= block) low = middle + 1;
    else high = middle;
  }
  return low;
}

function spanOf(
  run: ImageRun,
  { size, blockSize }: { readonly size: number; readonly blockSize: number },
  from: number,
  to: number,
): BlockSpan {
  const first = Math.floor(from / blockSize);
  const last = Math.ceil(to / blockSize) - 1;
  const begin = first * blockSize;
  return {
    number: run.number + first - run.first,
    count: last - first + 1,
    lastLength: Math.min(blockSize, size - last * blockSize),
    from: from - begin,
    to: to - begin,
  };
}
