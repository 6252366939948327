import type { Image } from '@rowfs/image';
import type { Logger } from 'pino';
import type { OpenServer } from '../failover/replica.ts';
import { createFetcher, DEFAULT_FETCH_TIMINGS } from '../fetch/fetcher.ts';
import type { ImageServer } from '../locator.ts';

export interface VerifyServerOptions {
  readonly image: Image;
  readonly server: ImageServer;
  readonly openServer: OpenServer;
  /** Numbers of blocks of the image; neighbours that come one after the other are fetched together. */
  readonly blocks: readonly number[];
  readonly logger: Logger;
  /** Told how many blocks were right so far. */
  readonly onProgress?: (done: number) => void;
}

/** A server that is asked by its publisher answers within this time, or is not fit to be announced. */
const HOLD_MS = 10_000;
/** Enough to keep its link full. */
const BLOCKS_IN_FLIGHT = 256;

/**
 * Fetches blocks of an image from one server, and compares each with its digest.
 *
 * @throws FetchError BAD_BLOCK with the file, the offset and what was wrong; NO_SERVER
 */
export async function verifyServer(options: VerifyServerOptions): Promise<void> {
  const { image, server, openServer, blocks, logger, onProgress } = options;
  const fetcher = createFetcher({
    image,
    servers: [server],
    openServer,
    timings: { ...DEFAULT_FETCH_TIMINGS, holdMs: HOLD_MS },
    logger,
    onChange: () => undefined,
  });
  try {
    const left = blocks.values();
    let done = 0;
    const worker = async (): Promise<void> => {
      for (const number of left) {
        await fetcher.fetch(number, 'demand');
        done += 1;
        onProgress?.(done);
      }
    };
    await Promise.all(Array.from({ length: BLOCKS_IN_FLIGHT }, worker));
  } finally {
    await fetcher.close();
  }
}
