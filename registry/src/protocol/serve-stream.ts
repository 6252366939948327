import type { Stream } from '@libp2p/interface';
import type { Logger } from 'pino';
import { z } from 'zod';
import { messageOf, RecordRefusal } from '../errors.ts';
import { decodeCbor, encodeCbor } from '../records/signed-record.ts';
import { encodeFrame, FrameDecoder } from './frame.ts';
import { MAX_REQUEST_BYTES, requestSchema, type RequestHandler } from './messages.ts';

/** How many requests of one stream are worked on at a time; more wait in the peer's send window. */
export const MAX_CONCURRENT_REQUESTS = 64;

const envelopeSchema = z.tuple([z.int(), requestSchema]);

/**
 * Serves the requests that `peerId` sends on `stream`. Malformed input ends the stream and nothing
 * else. A peer that does not read its answers, or asks too much at once, is not read from.
 */
export function serveStream(
  stream: Stream,
  peerId: string,
  handle: RequestHandler,
  logger: Logger,
): void {
  const decoder = new FrameDecoder(MAX_REQUEST_BYTES);
  const waiting: Uint8Array[] = [];
  let inProgress = 0;

  const abort = (error: unknown): void => {
    logger.debug({ peer: peerId, reason: messageOf(error) }, 'registry stream ended');
    waiting.length = 0;
    stream.abort(error instanceof Error ? error : new Error(String(error)));
  };
  const answer = async (message: Uint8Array): Promise<void> => {
    const [id, request] = envelopeSchema.parse(decodeCbor(message));
    const result = await handle(peerId, request).then(
      (response) => [id, null, response],
      (error: unknown) => {
        if (error instanceof RecordRefusal) return [id, error.code, error.message.slice(0, 1000)];
        logger.error({ err: error, peer: peerId, op: request.op }, 'registry request failed');
        return [id, 'INTERNAL', 'the node could not do it'];
      },
    );
    if (stream.status === 'open') stream.send(encodeFrame(encodeCbor(result)));
  };
  const work = (): void => {
    while (inProgress < MAX_CONCURRENT_REQUESTS && !stream.writableNeedsDrain) {
      const message = waiting.shift();
      if (message === undefined) break;
      inProgress += 1;
      answer(message)
        .catch(abort)
        .finally(() => {
          inProgress -= 1;
          work();
        });
    }
    if (stream.status !== 'open') return;
    if (waiting.length > 0) stream.pause();
    else if (stream.readStatus === 'paused') stream.resume();
  };

  stream.addEventListener('drain', work);
  stream.addEventListener('message', ({ data }) => {
    try {
      waiting.push(...decoder.push(data.subarray()));
      work();
    } catch (error) {
      abort(error);
    }
  });
  stream.addEventListener('remoteCloseWrite', () => {
    void stream.close().catch(abort);
  });
}
