import type { BlockFetcher, Urgency } from '../block-reader/block-fetcher.ts';
import { FetchError } from '../fetch/fetch-error.ts';
import {
  createFetcher,
  type Fetcher,
  type FetcherOptions,
  type FetchServerStatus,
} from '../fetch/fetcher.ts';
import { type ImageServer, serverAddress } from '../locator.ts';
import type { LowerServerStatus } from './lower.ts';

/**
 * A fetcher that calls no server before the first block is wanted: a machine that has all it needs in its
 * cache makes no call to the image's servers at all.
 */
export class FetcherOnDemand implements BlockFetcher {
  readonly #options: FetcherOptions;
  readonly #since = new Date().toISOString();
  #servers: readonly ImageServer[];
  #fetcher: Fetcher | undefined;
  #isClosed = false;

  constructor(options: FetcherOptions) {
    this.#options = options;
    this.#servers = options.servers;
  }

  async fetch(blockNumber: number, urgency: Urgency): Promise<Buffer> {
    if (this.#isClosed) throw new FetchError('CLOSED', 'the fetcher was closed');
    return this.begin().fetch(blockNumber, urgency);
  }

  /** Of servers that no block was wanted of, nothing is asked. */
  expect(fileid: number): void {
    this.#fetcher?.expect(fileid);
  }

  /** Mounts the servers, as the first block would. */
  begin(): Fetcher {
    return (this.#fetcher ??= createFetcher({ ...this.#options, servers: this.#servers }));
  }

  setServers(servers: readonly ImageServer[]): void {
    this.#servers = servers;
    this.#fetcher?.setServers(servers);
  }

  status(): LowerServerStatus[] {
    return (
      this.#fetcher?.status().map(imageServer) ?? this.#servers.map((each) => this.#idle(each))
    );
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#fetcher?.close();
  }

  #idle(server: ImageServer): LowerServerStatus {
    return {
      address: serverAddress(server),
      state: 'idle',
      current: false,
      since: this.#since,
      calls: 0,
      failures: 0,
      latencyMs: undefined,
      lastError: undefined,
      blocks: { good: 0, bad: 0, bytes: 0, bytesWasted: 0 },
    };
  }
}

export function imageServer(server: FetchServerStatus): LowerServerStatus {
  const { blocks, badBlocks, bytesFetched, bytesWasted, ...rest } = server;
  return { ...rest, blocks: { good: blocks, bad: badBlocks, bytes: bytesFetched, bytesWasted } };
}
