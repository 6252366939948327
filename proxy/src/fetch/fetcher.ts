import type { Image } from '@rowfs/image';
import type { Logger } from 'pino';
import type { BlockFetcher } from '../block-reader/block-fetcher.ts';
import { DEFAULT_FAILOVER_TIMINGS, type FailoverTimings } from '../failover/failover.ts';
import { ReplicaSet } from '../failover/replica-set.ts';
import type { OpenServer, ServerStatus } from '../failover/replica.ts';
import type { ImageServer } from '../locator.ts';
import { Dispatcher } from './dispatcher.ts';
import { ServedImage } from './served-image.ts';
import type { ServerFault } from './server-fault.ts';
import { severalConnections } from './several-connections.ts';
import { Standings } from './standings.ts';

/** `holdMs` is how long a block waits while no server answers, before it is refused with NO_SERVER. */
export interface FetchTimings extends FailoverTimings {
  /** How long a server that gave wrong data is only asked when no other has a block. */
  readonly distrustMs: number;
}

export const DEFAULT_FETCH_TIMINGS: FetchTimings = {
  ...DEFAULT_FAILOVER_TIMINGS,
  distrustMs: 600_000,
};

export interface FetcherOptions {
  readonly image: Image;
  /** They export the image's tree. All that are good are used at once. */
  readonly servers: readonly ImageServer[];
  readonly openServer: OpenServer;
  /** Servers that are not trusted from the beginning, by address, and why. Default: none. */
  readonly suspects?: ReadonlyMap<string, ServerFault>;
  readonly timings: FetchTimings;
  readonly logger: Logger;
  /** Called soon after each change of a server's state, or of the set of servers. */
  readonly onChange: (status: readonly FetchServerStatus[]) => void;
}

/** A server that gave wrong data is demoted, and that is its last error. */
export interface FetchServerStatus extends ServerStatus {
  /** Blocks that it was the first to bring, and those that were not as the image says. */
  readonly blocks: number;
  readonly badBlocks: number;
  /** Bytes it brought, and those among them that were wrong, or that another had brought before. */
  readonly bytesFetched: number;
  readonly bytesWasted: number;
}

/**
 * Blocks of an image from many servers at once, none of which is trusted: each block is proven by its
 * digest before it is given. How it works stands at the head of dispatcher.ts.
 */
export interface Fetcher extends BlockFetcher {
  /** Resolves when a server is mounted; throws FailoverError NO_SERVER_REACHABLE when none can be. */
  ready(signal: AbortSignal): Promise<void>;
  /** Replaces the list; servers that stay keep their connections, and what is known of them. */
  setServers(servers: readonly ImageServer[]): void;
  status(): FetchServerStatus[];
  /** Rejects what waits with CLOSED. */
  close(): Promise<void>;
}

/** Connections to each server. */
const CONNECTIONS = 4;

export function createFetcher(options: FetcherOptions): Fetcher {
  const { image, servers, openServer, timings, logger } = options;
  const { suspects = new Map<string, ServerFault>() } = options;
  const standings = new Standings<ServedImage>(timings.distrustMs, suspects);
  const replicas: ReplicaSet<ServedImage> = new ReplicaSet({
    servers,
    openServer: severalConnections(openServer, CONNECTIONS),
    openTree: (mounted, ctx) => ServedImage.open(image, mounted, ctx),
    timings,
    logger,
    onChange: () => changed(),
  });
  const status = (): FetchServerStatus[] =>
    replicas.all().map((replica) => standings.status(replica));
  const dispatcher = new Dispatcher({ image, replicas, standings, timings, logger, changed });
  /** Told later, for the set tells of its first servers while it is made. */
  function changed(): void {
    queueMicrotask(() => {
      dispatcher.serversChanged();
      options.onChange(status());
    });
  }
  return {
    fetch: (blockNumber, urgency) => dispatcher.fetch(blockNumber, urgency),
    expect: (fileid) => dispatcher.expect(fileid),
    ready: (signal) => replicas.ready(signal),
    setServers: (list) => replicas.setServers(list),
    status,
    close: async () => {
      dispatcher.close();
      await replicas.close();
    },
  };
}
