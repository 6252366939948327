import type { Stream } from '@libp2p/interface';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Clock, Timer } from '../clock.ts';
import { messageOf, RecordRefusal, RegistryError } from '../errors.ts';
import { decodeCbor, encodeCbor } from '../records/signed-record.ts';
import type { Allowance } from './allowances.ts';
import { encodeFrame, FrameDecoder } from './frame.ts';
import { MAX_REQUEST_BYTES, requestSchema, type RequestHandler } from './messages.ts';

/** How many requests of one stream are worked on at a time; more wait in the peer's send window. */
export const MAX_CONCURRENT_REQUESTS = 64;

/** How long a peer may take to send one request, once it has begun. */
export const MAX_REQUEST_MS = 10_000;

/** What a stream is served with. */
export interface ServeContext {
  readonly handle: RequestHandler;
  /** What the peer may ask, over all its streams. */
  readonly allowance: Allowance;
  readonly clock: Clock;
  readonly logger: Logger;
}

const envelopeSchema = z.tuple([z.int(), requestSchema]);

/**
 * Serves the requests that `peerId` sends on `stream`. Malformed input ends the stream and nothing
 * else. A peer that does not read its answers, or asks more than its allowance, is not read from;
 * one that begins a request and does not go on is cut off.
 */
export function serveStream(stream: Stream, peerId: string, context: ServeContext): void {
  const { handle, allowance, clock, logger } = context;
  const decoder = new FrameDecoder(MAX_REQUEST_BYTES);
  const waiting: Uint8Array[] = [];
  let inProgress = 0;
  let unfinished: Timer | undefined;
  let pausing: Timer | undefined;

  const abort = (error: unknown): void => {
    logger.debug({ peer: peerId, reason: messageOf(error) }, 'registry stream ended');
    waiting.length = 0;
    unfinished?.cancel();
    pausing?.cancel();
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
    const frame = encodeFrame(encodeCbor(result));
    allowance.countAnswer(frame.length);
    if (stream.status === 'open') stream.send(frame);
  };
  const work = (): void => {
    while (inProgress < MAX_CONCURRENT_REQUESTS && !stream.writableNeedsDrain) {
      const waitMs = waiting.length === 0 ? 0 : allowance.waitMs();
      if (waitMs > 0) {
        pausing?.cancel();
        pausing = clock.after(waitMs, work);
        break;
      }
      const message = waiting.shift();
      if (message === undefined) break;
      inProgress += 1;
      allowance.countRequest();
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
      const messages = decoder.push(data.subarray());
      if (messages.length > 0 || !decoder.isMidway) {
        unfinished?.cancel();
        unfinished = undefined;
      }
      if (decoder.isMidway) {
        unfinished ??= clock.after(MAX_REQUEST_MS, () =>
          abort(new RegistryError('PROTOCOL_VIOLATION', 'the request did not come to its end')),
        );
      }
      waiting.push(...messages);
      work();
    } catch (error) {
      abort(error);
    }
  });
  stream.addEventListener('close', () => {
    unfinished?.cancel();
    pausing?.cancel();
  });
  stream.addEventListener('remoteCloseWrite', () => {
    void stream.close().catch(abort);
  });
}
