import type { Image } from '@rowfs/image';
import { BlockCache } from '../block-cache/block-cache.ts';
import { BlockReader } from '../block-reader/block-reader.ts';
import { Cleanup } from '../cleanup.ts';
import { DEFAULT_FETCH_TIMINGS } from '../fetch/fetcher.ts';
import { ServerFault } from '../fetch/server-fault.ts';
import { imageView } from '../image-view/image-view.ts';
import { findImage } from '../published/find-image.ts';
import { FetcherOnDemand, imageServer } from './fetcher-on-demand.ts';
import { BootPrefetch, recordedProfiles } from './boot-prefetch.ts';
import { BootRecorder } from './boot-recorder.ts';
import type { ImageStatus, Lower, LowerOptions } from './lower.ts';
import { blockCacheDirectory } from './warm-cache.ts';

export interface ImageLowerOptions extends Omit<LowerOptions, 'records'> {
  readonly digest: string;
}

/** A verified image that is open. Nothing in it is of one shadow: several may be over it. */
export interface OpenImage {
  readonly image: Image;
  /** It as one machine sees it; to be closed before the image. */
  lower(): Lower;
  close(): Promise<void>;
}

/**
 * Opens a verified image: all but the contents of files is answered from its manifest, and of the contents nothing
 * goes up that was not proven, whoever it came from.
 *
 * @throws ProxyError NOT_FETCHABLE when the manifest is neither here nor on any server; STATE_UNUSABLE
 */
export async function openImage(options: ImageLowerOptions): Promise<OpenImage> {
  const { digest, servers, openServer, timings, cacheDirectory, cacheLimits, logger } = options;
  const { image, isKept, wrong } = await findImage({
    ...options,
    silenceMs: options.startMs,
    signal: new AbortController().signal,
  });
  const fetcher = new FetcherOnDemand({
    image,
    servers,
    openServer,
    suspects: new Map(wrong.map(({ server, reason }) => [server, wrongManifest(server, reason)])),
    timings: { ...DEFAULT_FETCH_TIMINGS, ...timings },
    logger,
    onChange: (status) => options.onChange(status.map(imageServer)),
  });
  const cleanup = new Cleanup();
  cleanup.add(() => fetcher.close());
  // Nothing of this image is here yet: the servers will be needed soon.
  if (!isKept) fetcher.begin();
  const cache = await BlockCache.open({
    directory: blockCacheDirectory(cacheDirectory),
    ...cacheLimits,
    logger,
  });
  cleanup.add(() => cache.close());
  const reader = new BlockReader(cache.attach(image), fetcher);
  const recorder = new BootRecorder({
    directory: recordedProfiles(cacheDirectory),
    image,
    contents: reader,
    logger,
  });
  const prefetch = options.boot && new BootPrefetch({ ...options, ...options.boot, image, reader });
  cleanup.add(async () => prefetch?.close());
  prefetch?.begin();
  const status = (): ImageStatus => ({
    digest,
    inodes: image.inodeCount,
    blocks: image.blockCount,
    reads: reader.statistics(),
    prefetch: prefetch?.status,
    cache: {
      directory: cache.directory,
      isStoring: cache.isStoring,
      wrongBlocks: cache.wrongBlocks,
    },
  });
  const lower = (): Lower => {
    const machine = recorder.machine();
    const view = imageView(image, machine.contents, { logger });
    return {
      service: view,
      known: undefined,
      tree: view.tree,
      notices: wrong.map(({ server, reason }) => `${server} is not trusted: ${reason}`),
      ready: async () => undefined,
      bootBegins() {
        prefetch?.begin();
        machine.bootBegins();
      },
      setServers: (list) => fetcher.setServers(list),
      status: () => ({ servers: fetcher.status(), image: status() }),
      close: () => machine.close(),
    };
  };
  let closing: Promise<void> | undefined;
  return { image, lower, close: () => (closing ??= cleanup.run()) };
}

function wrongManifest(server: string, reason: string): ServerFault {
  return new ServerFault('WRONG_MANIFEST', `${server}: ${reason}`);
}
