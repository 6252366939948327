import type { Nfs3Context } from '@rowfs/nfs3';
import { Expectation } from './expectation.ts';
import type { Source } from './source.ts';
import type { WantedBlock } from './wanted-block.ts';

/** A file is looked up on a server, so that blocks of it can be read. */
export class FileWalk {
  readonly source: Source;
  readonly fileid: number;
  /** Those that wait for it. */
  readonly blocks: Set<WantedBlock>;
  readonly #ctx: Nfs3Context;
  readonly #expected: Expectation;

  constructor(source: Source, wanted: WantedBlock, ctx: Nfs3Context) {
    this.source = source;
    this.fileid = wanted.block.fileid;
    this.blocks = new Set([wanted]);
    this.#ctx = ctx;
    this.#expected = new Expectation(source.served);
  }

  isOverdue(now: number): boolean {
    return this.#expected.isOverdue(now);
  }

  isUnheard(now: number): boolean {
    return this.#expected.isUnheard(now);
  }

  /** @throws ServerFault, FailoverError, RpcError */
  async run(): Promise<void> {
    await this.source.served.handle(this.fileid, this.#ctx);
  }
}
