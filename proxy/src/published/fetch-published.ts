import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { OpenServer } from '../failover/replica.ts';
import { type ImageServer, serverAddress } from '../locator.ts';
import { messageOf, ProxyError } from '../proxy-error.ts';
import { type AcceptedSize, notAsPublished, readExportFile } from './read-export-file.ts';

export interface FetchPublishedOptions<T> {
  /** The best first. */
  readonly servers: readonly ImageServer[];
  readonly openServer: OpenServer;
  /** From the root of the exports. */
  readonly path: string;
  readonly size: AcceptedSize;
  /** Takes the bytes of some server for what was published, or throws: they are something else. */
  readonly open: (bytes: Buffer) => T;
  /** When nothing comes from any server for this time, in ms, it is given up. Default 10 s. */
  readonly silenceMs?: number;
  /** After this time without all of it the next server is asked as well, then after twice as long. Default 10 s. */
  readonly slowMs?: number;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/** A server that has something else than was published. */
export interface WrongServer {
  readonly server: string;
  readonly reason: string;
}

export interface Published<T> {
  readonly content: T;
  readonly wrong: readonly WrongServer[];
}

/** When nothing comes from a server for this time, the next one is asked as well. */
const PATIENCE_MS = 1_000;
const SILENCE_MS = 10_000;
/** Long enough for a slow link, and for who sends without ever coming to an end. */
const SLOW_MS = 10_000;

/**
 * Fetches a file that was published with a version, from whichever server has it right: from the best one, as
 * long as it goes on sending fast enough.
 *
 * @throws ProxyError NOT_FETCHABLE, with what each server said
 */
export async function fetchPublished<T>(options: FetchPublishedOptions<T>): Promise<Published<T>> {
  const { servers, path, open, silenceMs = SILENCE_MS, signal, logger } = options;
  const decided = new AbortController();
  const reasons: string[] = [];
  const wrong: WrongServer[] = [];
  let heardAt = 0;
  const ask = async (server: ImageServer): Promise<T> => {
    const either = AbortSignal.any([signal, decided.signal]);
    const onProgress = (): void => void (heardAt = performance.now());
    onProgress();
    try {
      const bytes = await readExportFile({ ...options, server, signal: either, onProgress });
      try {
        return open(bytes);
      } catch (error) {
        throw notAsPublished(path, messageOf(error), error);
      }
    } catch (error) {
      if (either.aborted) throw error;
      let reason = messageOf(error);
      if (error instanceof ProxyError && error.code === 'NOT_AS_PUBLISHED') {
        wrong.push({ server: serverAddress(server), reason });
        reason = `${serverAddress(server)}: ${reason}`;
      }
      reasons.push(reason);
      logger.warn({ server: serverAddress(server) }, reason);
      throw error;
    }
  };
  const asked: Promise<T>[] = [];
  let slowMs = options.slowMs ?? SLOW_MS;
  try {
    for (const server of servers) {
      const answer = ask(server);
      asked.push(answer);
      const outcome = await Promise.race([
        Promise.any(asked).then(
          (content) => ({ content }),
          () => undefined,
        ),
        silence(PATIENCE_MS, () => heardAt, decided.signal),
        pause(slowMs, undefined, { signal: decided.signal }).catch(() => undefined),
      ]);
      slowMs *= 2;
      if (outcome !== undefined) return { content: outcome.content, wrong };
    }
    const tooLate = silence(silenceMs, () => heardAt, decided.signal).then(() => {
      throw new Error('nothing comes any more');
    });
    return { content: await Promise.race([Promise.any(asked), tooLate]), wrong };
  } catch (error) {
    throw new ProxyError(
      'NOT_FETCHABLE',
      `no server gives the published ${path}: ${reasons.join('; ') || 'none did in time'}`,
      { cause: error },
    );
  } finally {
    decided.abort();
  }
}

/** Resolves when nothing was heard for long, or nobody waits any more. */
async function silence(ms: number, heardAt: () => number, signal: AbortSignal): Promise<undefined> {
  while (!signal.aborted) {
    const left = heardAt() + ms - performance.now();
    if (left <= 0) return;
    await pause(left, undefined, { signal }).catch(() => undefined);
  }
}
