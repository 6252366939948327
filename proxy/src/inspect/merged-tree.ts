import {
  type Filehandle,
  Mountstat3,
  type Nfs3Context,
  type Nfs3Service,
  stack,
} from '@rowfs/nfs3';
import { type Logger, pino } from 'pino';
import { Cleanup } from '../cleanup.ts';
import { DEFAULT_FAILOVER_TIMINGS } from '../failover/failover.ts';
import { serverOpener } from '../failover/open-server.ts';
import type { ImageServer } from '../locator.ts';
import { openLower } from '../lower/open-lower.ts';
import { ROOT_CREDENTIAL } from '../root-credential.ts';
import { redirectOnWrite } from '../row/layer.ts';
import { openShadow, type Shadow, type ShadowOwner } from '../shadow/shadow.ts';

export interface MergedTreeOptions {
  /** The shadow's directory. */
  readonly directory: string;
  readonly belongsTo: ShadowOwner;
  /** Who serves the image. */
  readonly servers: readonly ImageServer[];
  /** Of what all sessions of the machine share; needed over a verified image. */
  readonly cacheDirectory: string;
  /** How long a server may take to be mounted, in ms. Default 10 s. */
  readonly startMs?: number;
  readonly signal?: AbortSignal;
  readonly logger?: Logger;
}

/** A machine's tree, image and shadow together, as its client would see it, without a client. */
export interface MergedTree {
  readonly service: Nfs3Service;
  readonly root: Filehandle;
  readonly shadow: Shadow;
  /** Root's, to be called with. */
  readonly ctx: Nfs3Context;
  close(): Promise<void>;
}

const START_MS = 10_000;

/**
 * Opens a shadow over its image, for this process alone.
 *
 * @throws ShadowError, SHADOW_IN_USE among others; FailoverError NO_SERVER_REACHABLE
 */
export async function openMergedTree(options: MergedTreeOptions): Promise<MergedTree> {
  const { directory, belongsTo, startMs = START_MS, logger = pino({ level: 'silent' }) } = options;
  const cleanup = new Cleanup();
  try {
    const shadow = await openShadow({ directory, belongsTo, logger });
    cleanup.add(() => shadow.close());
    const lower = await openLower({
      ...options,
      digest: belongsTo.digest,
      // As a rule the manifest is in the shadow.
      manifestBytes: undefined,
      boot: undefined,
      openServer: serverOpener(logger),
      shadow: directory,
      records: shadow.records,
      startMs,
      cacheLimits: {},
      timings: DEFAULT_FAILOVER_TIMINGS,
      logger,
      onChange: () => undefined,
    });
    cleanup.add(() => lower.close());
    await lower.ready(AbortSignal.timeout(startMs));
    const service = stack(lower.service, redirectOnWrite(shadow, { tree: lower.tree }));
    const ctx: Nfs3Context = {
      credential: ROOT_CREDENTIAL,
      signal: options.signal ?? new AbortController().signal,
      peer: { address: '127.0.0.1', port: 0 },
    };
    const mounted = await service.mount('/', ctx);
    if (mounted.status !== Mountstat3.OK)
      throw new Error(`the image's root cannot be mounted: status ${mounted.status}`);
    return { service, root: mounted.handle, shadow, ctx, close: () => cleanup.run() };
  } catch (error) {
    await cleanup.run().catch(() => undefined);
    throw error;
  }
}
