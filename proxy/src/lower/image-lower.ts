import type { Image } from '@rowfs/image';
import { DEFAULT_FETCH_TIMINGS } from '../fetch/fetcher.ts';
import { imageView } from '../image-view/image-view.ts';
import type { FileContents } from '../image-view/file-contents.ts';
import { findImage } from '../published/find-image.ts';
import { FetcherOnDemand, imageServer } from './fetcher-on-demand.ts';
import type { Lower, LowerOptions } from './lower.ts';

/**
 * A verified image: all but the contents of files is answered from its manifest, and of the contents nothing
 * goes up that was not proven, whoever it came from.
 */
export async function openImageLower(
  options: LowerOptions & { readonly digest: string },
): Promise<Lower> {
  const { digest, servers, openServer, timings, logger } = options;
  const signal = AbortSignal.timeout(options.startMs);
  const { image, isKept, wrong } = await findImage({ ...options, signal });
  const fetcher = new FetcherOnDemand({
    image,
    servers,
    openServer,
    timings: { ...DEFAULT_FETCH_TIMINGS, ...timings },
    logger,
    onChange: (status) => options.onChange(status.map(imageServer)),
  });
  // Nothing of this image is here yet: the servers will be needed soon.
  if (!isKept) fetcher.begin();
  const view = imageView(image, fetchedContents(image, fetcher), { logger });
  return {
    service: view,
    known: undefined,
    tree: view.tree,
    notices: wrong.map(({ server, reason }) => `${server} is not trusted: ${reason}`),
    ready: async () => undefined,
    setServers: (list) => fetcher.setServers(list),
    status: () => ({
      servers: fetcher.status(),
      image: { digest, inodes: image.inodeCount, blocks: image.blockCount },
    }),
    close: () => fetcher.close(),
  };
}

function fetchedContents(image: Image, fetcher: FetcherOnDemand): FileContents {
  return {
    async read(fileid, offset, count) {
      const { blockSize } = image;
      const first = Math.floor(offset / blockSize);
      const end = Math.ceil((offset + count) / blockSize);
      return Promise.all(
        image.blocks(fileid, first, end - first).map(async (block) => {
          const bytes =
            block.stored === undefined
              ? Buffer.alloc(block.length)
              : await fetcher.fetch(block.stored.number, 'demand');
          return bytes.subarray(
            Math.max(offset - block.offset, 0),
            Math.min(offset + count - block.offset, block.length),
          );
        }),
      );
    },
  };
}
