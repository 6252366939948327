import type { Nfs3Service } from '@rowfs/nfs3';
import type { Logger } from 'pino';
import type { CacheLimits } from '../block-cache/space.ts';
import type { BlockReaderStatistics } from '../block-reader/block-reader.ts';
import type { FailoverTimings } from '../failover/failover.ts';
import type { OpenServer, ServerStatus } from '../failover/replica.ts';
import type { KnownAttributes } from '../known-attributes.ts';
import type { ImageServer, PublishedFile } from '../locator.ts';
import type { LowerTree } from '../row/lower-tree.ts';
import type { RecordStore } from '../store/record-store.ts';
import type { BootPrefetchStatus } from './boot-prefetch.ts';

export interface LowerOptions {
  /** Of the image's manifest, in hex. Undefined: plain exports, whose servers are believed. */
  readonly digest: string | undefined;
  /** Of that manifest, where it was signed. */
  readonly manifestBytes: number | undefined;
  /** Undefined when no machine is to boot from it. */
  readonly boot: BootOptions | undefined;
  /** The best first. */
  readonly servers: readonly ImageServer[];
  readonly openServer: OpenServer;
  /** Directory of the shadow over it. */
  readonly shadow: string;
  /** Of that shadow; closed by who opened it, after the lower. */
  readonly records: RecordStore;
  /** Of what all sessions of the machine share. */
  readonly cacheDirectory: string;
  readonly cacheLimits: CacheLimits;
  readonly timings: FailoverTimings;
  /** How long servers may say nothing while a manifest that is not here is fetched, in ms. */
  readonly startMs: number;
  readonly logger: Logger;
  /** Called after each change of a server's state, or of the set of servers. */
  readonly onChange: (servers: readonly LowerServerStatus[]) => void;
}

export interface BootOptions {
  /** The boot profile that was published with the image. */
  readonly published: PublishedFile | undefined;
}

/** What is below redirect-on-write: the image, wherever it comes from. */
export interface Lower {
  readonly service: Nfs3Service;
  /** The same tree, when names and attributes are told at once. */
  readonly tree: LowerTree | undefined;
  /** The attributes that its service remembers, when there is no tree. */
  readonly known: KnownAttributes | undefined;
  /** What an operator should know about where it comes from; one sentence each. */
  readonly notices: readonly string[];
  /**
   * Resolves when it can answer. What is here of a verified image needs no server.
   *
   * @throws FailoverError NO_SERVER_REACHABLE, EXPORT_NOT_FOUND
   */
  ready(signal: AbortSignal): Promise<void>;
  /** A machine begins to boot from it now: earlier boots tell what to fetch ahead, and this one is recorded. */
  bootBegins(): void;
  /** Replaces the list; calls on servers that leave it go to others. */
  setServers(servers: readonly ImageServer[]): void;
  status(): LowerStatus;
  close(): Promise<void>;
}

export interface LowerStatus {
  readonly servers: readonly LowerServerStatus[];
  /** Undefined over plain exports. */
  readonly image: ImageStatus | undefined;
}

/** `idle`: nothing was needed from it yet. */
export interface LowerServerStatus extends Omit<ServerStatus, 'state'> {
  readonly state: ServerStatus['state'] | 'idle';
  /** What it brought of a verified image; undefined for a plain export. */
  readonly blocks: BlocksBrought | undefined;
}

export interface BlocksBrought {
  /** Blocks that were as the image says, and that were not. */
  readonly good: number;
  readonly bad: number;
  /** All bytes, and those among them that were wrong, or that another server had brought before. */
  readonly bytes: number;
  readonly bytesWasted: number;
}

export interface ImageStatus {
  /** Of its manifest, in hex. */
  readonly digest: string;
  readonly inodes: number;
  readonly blocks: number;
  /** What became of reads of its files since the start. */
  readonly reads: BlockReaderStatistics;
  /** Undefined while no boot profile is known. */
  readonly prefetch: BootPrefetchStatus | undefined;
  readonly cache: {
    readonly directory: string;
    /** False while blocks cannot be stored, as on a full disk: then they are fetched each time. */
    readonly isStoring: boolean;
    /** Blocks on the disk that were not what was stored; they were fetched again. */
    readonly wrongBlocks: number;
  };
}
