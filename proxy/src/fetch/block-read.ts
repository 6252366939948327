import type { Nfs3Context } from '@rowfs/nfs3';
import { Expectation } from './expectation.ts';
import type { Asked } from './link-estimator.ts';
import type { ReadBytes, ServedImage } from './served-image.ts';
import type { WantedBlock } from './wanted-block.ts';

/** Blocks that follow each other in a file, asked of one server together. */
export class BlockRead {
  readonly served: ServedImage;
  readonly blocks: readonly WantedBlock[];
  readonly bytes: number;
  /** It took too long, and others may be asked as well. */
  isLate = false;
  readonly #fileid: number;
  readonly #offset: number;
  readonly #asked: Asked;
  readonly #expected: Expectation;

  constructor(served: ServedImage, first: WantedBlock, others: readonly WantedBlock[]) {
    this.served = served;
    this.blocks = [first, ...others];
    this.#fileid = first.block.fileid;
    this.#offset = first.block.offset;
    this.bytes = this.blocks.reduce((sum, { block }) => sum + block.length, 0);
    this.#asked = served.link.asked(this.bytes);
    this.#expected = new Expectation(served);
  }

  get isDemanded(): boolean {
    return this.blocks.some(({ urgency, isSettled }) => urgency === 'demand' && !isSettled);
  }

  isOverdue(now: number): boolean {
    return this.#expected.isOverdue(now);
  }

  isUnheard(now: number): boolean {
    return this.#expected.isUnheard(now);
  }

  /** @throws ServerFault, FailoverError, RpcError */
  async run(ctx: Nfs3Context): Promise<ReadBytes> {
    const { served } = this;
    let isWhole = false;
    try {
      const read = await served.read(this.#fileid, this.#offset, this.bytes, ctx);
      isWhole = read.fault === undefined;
      return read;
    } finally {
      if (isWhole) served.link.arrived(this.#asked);
      else served.link.lost(this.#asked);
    }
  }
}
