import { LRUCache } from 'lru-cache';
import type { Replica } from '../failover/replica.ts';
import type { FetchServerStatus } from './fetcher.ts';
import type { ServerFault } from './server-fault.ts';
import { Standing } from './standing.ts';

/** How many servers stay known. */
const MAX_SERVERS = 1024;

/** The standing of each server, also of one that left the list and may come back, and what status shows. */
export class Standings<Tree> {
  readonly #distrustMs: number;
  readonly #suspects: ReadonlyMap<string, ServerFault>;
  readonly #standings = new LRUCache<string, Standing>({ max: MAX_SERVERS });

  /** @param suspects servers that are not trusted from the beginning, by address, and why. */
  constructor(distrustMs: number, suspects: ReadonlyMap<string, ServerFault>) {
    this.#distrustMs = distrustMs;
    this.#suspects = suspects;
  }

  of({ address }: Replica<Tree>): Standing {
    let standing = this.#standings.get(address);
    if (standing === undefined) {
      standing = new Standing(this.#distrustMs);
      const fault = this.#suspects.get(address);
      if (fault !== undefined) standing.blame(fault);
      this.#standings.set(address, standing);
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
