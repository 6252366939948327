import type { ImageBlock } from '@rowfs/image';
import type { Urgency } from '../block-reader/block-fetcher.ts';
import type { WantedBlock } from './wanted-block.ts';

/** The most urgent first. */
export const URGENCIES: readonly Urgency[] = ['demand', 'read-ahead', 'prefetch'];

export function isMoreUrgent(a: Urgency, b: Urgency): boolean {
  return URGENCIES.indexOf(a) < URGENCIES.indexOf(b);
}

/** By number, in the order they were put. */
type Line = Map<number, WantedBlock>;

/**
 * The blocks that no server was asked for yet, or has to be asked for again: by urgency, and in the
 * order in which they were wanted. What is tried again goes before the others of its urgency.
 */
export class BlockQueue {
  readonly #lines = new Map(URGENCIES.map((urgency) => [urgency, newLines()]));
  #bytes = 0;

  /** Of all blocks in it. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  put(wanted: WantedBlock, { again }: { readonly again: boolean }): void {
    this.remove(wanted);
    const { first, then } = this.#linesOf(wanted.urgency);
    (again ? first : then).set(wanted.number, wanted);
    this.#bytes += wanted.block.length;
  }

  remove({ number, urgency, block }: WantedBlock): void {
    const { first, then } = this.#linesOf(urgency);
    if (first.delete(number) || then.delete(number)) this.#bytes -= block.length;
  }

  has({ number, urgency }: WantedBlock): boolean {
    const { first, then } = this.#linesOf(urgency);
    return first.has(number) || then.has(number);
  }

  /** All of one urgency, in their order; what is taken out meanwhile is not seen. */
  *of(urgency: Urgency): Generator<WantedBlock> {
    const { first, then } = this.#linesOf(urgency);
    yield* first.values();
    yield* then.values();
  }

  *all(): Generator<WantedBlock> {
    for (const urgency of URGENCIES) yield* this.of(urgency);
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
    const { first, then } = this.#linesOf(wanted.urgency);
    let bytes = wanted.block.length;
    for (let last = wanted; ;) {
      const next = first.get(last.number + 1) ?? then.get(last.number + 1);
      if (next === undefined || next.isAlone || !isNext(last.block, next.block)) return run;
      bytes += next.block.length;
      if (bytes > maxBytes || !mayRead(next)) return run;
      run.push(next);
      last = next;
    }
  }

  #linesOf(urgency: Urgency): { readonly first: Line; readonly then: Line } {
    return this.#lines.get(urgency) ?? newLines();
  }
}

function newLines(): { readonly first: Line; readonly then: Line } {
  return { first: new Map(), then: new Map() };
}

function isNext(block: ImageBlock, next: ImageBlock): boolean {
  return block.fileid === next.fileid && block.offset + block.length === next.offset;
}
