import { type Image, verifyBlock } from '@rowfs/image';
import type { Logger } from 'pino';
import { printableName } from '../inspect/printable-name.ts';
import { PieceReader } from './piece-reader.ts';
import type { ReadBytes } from './served-image.ts';
import { ServerFault } from './server-fault.ts';
import type { Source } from './source.ts';
import type { WantedBlock } from './wanted-block.ts';

export interface JudgeOptions {
  readonly image: Image;
  readonly logger: Logger;
  /** A server is distrusted, or trusted again. */
  readonly changed: () => void;
}

/** Proves what servers bring, and holds against them what they do not. */
export class Judge {
  readonly #options: JudgeOptions;

  constructor(options: JudgeOptions) {
    this.#options = options;
  }

  /** The blocks of what was read that are right. */
  rightOf(
    source: Source,
    blocks: readonly WantedBlock[],
    read: ReadBytes,
  ): [WantedBlock, Buffer][] {
    const { standing } = source;
    standing.bytesFetched += read.length;
    const pieces = new PieceReader(read.parts);
    const right: [WantedBlock, Buffer][] = [];
    let left = read.length;
    for (const wanted of blocks) {
      const { offset, length } = wanted.block;
      if (left < length) {
        standing.bytesWasted += left;
        left = 0;
        if (read.fault !== undefined) this.blame(source, wanted, read.fault, blocks.length > 1);
        continue;
      }
      left -= length;
      const bytes = pieces.take(length);
      const isRight = verifyBlock(wanted.digest, bytes);
      if (!isRight || wanted.isSettled) standing.bytesWasted += length;
      else standing.blocks += 1;
      if (isRight) {
        this.#praise(source);
        right.push([wanted, bytes]);
      } else {
        const fault = new ServerFault('BAD_BLOCK', `wrong bytes at ${offset}`);
        this.blame(source, wanted, fault, blocks.length > 1);
      }
    }
    return right;
  }

  /** @param isOfOne the fault may be of one of several blocks, which is found by asking for each. */
  blame(
    { standing, served }: Source,
    wanted: WantedBlock,
    fault: ServerFault,
    isOfOne: boolean,
  ): void {
    if (isOfOne) wanted.isAlone = true;
    else wanted.faults.set(served.replica, fault);
    standing.badBlocks += 1;
    // Little is asked of it at a time, until it proves better.
    served.link.restart();
    const { trust } = standing;
    const { address } = served.replica;
    const file = pathOf(this.#options.image, wanted);
    const named = new ServerFault(fault.code, `${address}: ${file}: ${fault.message}`);
    if (standing.blame(named)) {
      const { offset } = wanted.block;
      this.#options.logger.warn({ server: address, code: fault.code, file, offset }, named.message);
    }
    if (trust !== standing.trust) this.#options.changed();
  }

  #praise({ standing, served }: Source): void {
    const { trust } = standing;
    standing.praise();
    if (trust === standing.trust) return;
    this.#options.logger.info({ server: served.replica.address }, 'image server is trusted again');
    this.#options.changed();
  }
}

/** Where a block's file is, for people. */
export function pathOf(image: Image, { block }: WantedBlock): string {
  return `/${printableName(image.path(block.fileid).join('/'))}`;
}
