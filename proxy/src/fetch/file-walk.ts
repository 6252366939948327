import type { Nfs3Context } from '@rowfs/nfs3';
import { Expectation } from './expectation.ts';
import type { ServedImage } from './served-image.ts';
import type { WantedBlock } from './wanted-block.ts';

/** A file is looked up on a server, so that blocks of it can be read. */
export class FileWalk {
  readonly fileid: number;
  /** Those that wait for it: none when it was only expected that there would be some. */
  readonly blocks = new Set<WantedBlock>();
  readonly #served: ServedImage;
  readonly #ctx: Nfs3Context;
  readonly #expected: Expectation;

  constructor(served: ServedImage, fileid: number, ctx: Nfs3Context) {
    this.fileid = fileid;
    this.#served = served;
    this.#ctx = ctx;
    this.#expected = new Expectation(served);
  }

  isOverdue(now: number): boolean {
    return this.#expected.isOverdue(now);
  }

  isUnheard(now: number): boolean {
    return this.#expected.isUnheard(now);
  }

  /** @throws ServerFault, FailoverError, RpcError */
  async run(): Promise<void> {
    await this.#served.handle(this.fileid, this.#ctx);
  }
}
