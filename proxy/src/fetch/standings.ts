import type { Replica } from '../failover/replica.ts';
import type { FetchServerStatus } from './fetcher.ts';
import { Standing } from './standing.ts';

/** The standing of each server, and what status shows of it. */
export class Standings<Tree> {
  readonly #distrustMs: number;
  readonly #standings = new WeakMap<Replica<Tree>, Standing>();

  constructor(distrustMs: number) {
    this.#distrustMs = distrustMs;
  }

  of(replica: Replica<Tree>): Standing {
    let standing = this.#standings.get(replica);
    if (standing === undefined) {
      standing = new Standing(this.#distrustMs);
      this.#standings.set(replica, standing);
    }
    return standing;
  }

  status(replica: Replica<Tree>): FetchServerStatus {
    const { distrust, blocks, badBlocks, bytesFetched, bytesWasted } = this.of(replica);
    const isUsed = replica.tree !== undefined && distrust === undefined;
    return {
      ...replica.status(isUsed),
      ...(distrust !== undefined && {
        state: 'demoted',
        since: distrust.since.toISOString(),
        lastError: { code: distrust.fault.code, message: distrust.fault.message },
      }),
      blocks,
      badBlocks,
      bytesFetched,
      bytesWasted,
    };
  }
}
