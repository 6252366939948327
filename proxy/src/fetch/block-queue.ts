import type { ImageBlock } from '@rowfs/image';
import type { Urgency } from '../block-reader/block-fetcher.ts';
import type { WantedBlock } from './wanted-block.ts';

/** The most urgent first. */
export const URGENCIES: readonly Urgency[] = ['demand', 'read-ahead', 'prefetch'];

export function isMoreUrgent(a: Urgency, b: Urgency): boolean {
  return URGENCIES.indexOf(a) < URGENCIES.indexOf(b);
}

/**
 * The blocks that no server was asked for yet, or has to be asked for again: by urgency, and in the
 * order in which they were wanted. What is tried again goes before the others of its urgency.
 */
export class BlockQueue {
  readonly #lines: Readonly<Record<Urgency, Line>> = {
    demand: new Line(),
    'read-ahead': new Line(),
    prefetch: new Line(),
  };

  /** Of the blocks that go before the last of this urgency. */
  bytesUpTo(urgency: Urgency): number {
    let bytes = 0;
    for (const each of URGENCIES)
      if (!isMoreUrgent(urgency, each)) bytes += this.#lines[each].bytes;
    return bytes;
  }

  put(wanted: WantedBlock, { again }: { readonly again: boolean }): void {
    this.#lines[wanted.urgency].put(wanted, again);
  }

  remove(wanted: WantedBlock): void {
    this.#lines[wanted.urgency].remove(wanted);
  }

  has({ urgency, number }: WantedBlock): boolean {
    return this.#lines[urgency].get(number) !== undefined;
  }

  /** All of one urgency, in their order; what is taken out meanwhile is not seen. */
  of(urgency: Urgency): Iterable<WantedBlock> {
    return this.#lines[urgency].blocks();
  }

  /**
   * The blocks that follow `wanted` in its file, are as urgent, and may be read with it: at most
   * `maxBytes` together. They stay in the queue.
   */
  after(
    wanted: WantedBlock,
    maxBytes: number,
    mayRead: (other: WantedBlock) => boolean,
  ): readonly WantedBlock[] {
    const run: WantedBlock[] = [];
    if (wanted.isAlone) return run;
    const line = this.#lines[wanted.urgency];
    let bytes = wanted.block.length;
    for (let last = wanted; ;) {
      const next = line.get(last.number + 1);
      if (next === undefined || next.isAlone || !isNext(last.block, next.block)) return run;
      bytes += next.block.length;
      if (bytes > maxBytes || !mayRead(next)) return run;
      run.push(next);
      last = next;
    }
  }
}

/** The blocks of one urgency. */
class Line {
  readonly #again = new Map<number, WantedBlock>();
  readonly #fresh = new Map<number, WantedBlock>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get(number: number): WantedBlock | undefined {
    return this.#again.get(number) ?? this.#fresh.get(number);
  }

  put(wanted: WantedBlock, again: boolean): void {
    this.remove(wanted);
    (again ? this.#again : this.#fresh).set(wanted.number, wanted);
    this.#bytes += wanted.block.length;
  }

  remove({ number, block }: WantedBlock): void {
    if (this.#again.delete(number) || this.#fresh.delete(number)) this.#bytes -= block.length;
  }

  *blocks(): Generator<WantedBlock> {
    yield* this.#again.values();
    yield* this.#fresh.values();
  }
}

function isNext(block: ImageBlock, next: ImageBlock): boolean {
  return block.fileid === next.fileid && block.offset + block.length === next.offset;
}
