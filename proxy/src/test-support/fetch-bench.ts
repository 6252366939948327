import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { buildImage, type Image, verifyBlock } from '@rowfs/image';
import type { Nfs3Layer } from '@rowfs/nfs3';
import { type Logger, pino } from 'pino';
import {
  createFetcher,
  type Fetcher,
  type FetchServerStatus,
  type FetchTimings,
} from '../fetch/fetcher.ts';
import type { ImageServer } from '../locator.ts';
import { stalledUntil } from './dishonest-layers.ts';
import { openTestServer, TestBench, type TestServer } from './image-servers.ts';

export const BLOCK_SIZE = 4096;

const timings: FetchTimings = {
  patienceMs: 200,
  mountMs: 1_000,
  probeMs: { first: 20, last: 100 },
  holdMs: 10_000,
  distrustMs: 60_000,
};

export interface FetchBenchOptions {
  readonly timings?: Partial<FetchTimings>;
  readonly logger?: Logger;
  readonly onChange?: (status: readonly FetchServerStatus[]) => void;
}

/** A small image, servers of it, and fetchers from them. Closed at the end of each test. */
export class FetchBench {
  readonly image: Image;
  readonly #source: string;
  readonly #files: TestBench;
  #test = new TestBench();

  static async make(): Promise<FetchBench> {
    const files = new TestBench();
    const source = await files.directory();
    await mkdir(join(source, 'a/b/c'), { recursive: true });
    await writeFile(join(source, 'a/b/c/deep'), randomBytes(10_000));
    await writeFile(join(source, 'a/b/c/twin'), randomBytes(10_000));
    await writeFile(join(source, 'large'), randomBytes(300_001));
    const { image } = await buildImage(source, { blockSize: BLOCK_SIZE });
    return new FetchBench(files, source, image);
  }

  private constructor(files: TestBench, source: string, image: Image) {
    this.#files = files;
    this.#source = source;
    this.image = image;
  }

  /** Ends the servers and fetchers of a test. */
  async endTest(): Promise<void> {
    await this.#test.close();
    this.#test = new TestBench();
  }

  close(): Promise<void> {
    return this.#files.close();
  }

  /** Resolves when one of the servers is mounted. */
  async fetcherOf(
    servers: readonly ImageServer[],
    options: FetchBenchOptions = {},
  ): Promise<Fetcher> {
    const fetcher = createFetcher({
      image: this.image,
      servers,
      openServer: openTestServer,
      logger: pino({ level: 'silent' }),
      onChange: () => undefined,
      ...options,
      timings: { ...timings, ...options.timings },
    });
    this.#test.onClose(() => fetcher.close());
    await fetcher.ready(AbortSignal.timeout(5_000));
    return fetcher;
  }

  /** A server of the image, honest but for the layer. */
  serve(layer?: Nfs3Layer): Promise<TestServer> {
    return this.#test.serve(this.#source, '/', layer);
  }

  /** It does not answer READ before the test ends. */
  async stalledServer(): Promise<TestServer> {
    const ended = new AbortController();
    const server = await this.serve(stalledUntil(ended.signal));
    this.#test.onClose(async () => ended.abort());
    return server;
  }

  /** Answers every connection with bytes that never end. */
  async endlessServer(): Promise<ImageServer> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      const more = (): void => {
        while (socket.writable && socket.write(Buffer.alloc(65_536, 'endless ')));
      };
      socket.on('drain', more);
      socket.resume();
      more();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#test.onClose(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
    return { host: '127.0.0.1', port: address.port, export: '/' };
  }

  allBlocks(): number[] {
    return Array.from({ length: this.image.blockCount }, (_, i) => i);
  }

  blocksOf(path: string): number[] {
    return this.allBlocks().filter(
      (n) => this.image.path(this.image.storedBlock(n).fileid).join('/') === path,
    );
  }

  assertRight(number: number, bytes: Buffer): void {
    const { length } = this.image.storedBlock(number);
    assert.equal(bytes.length, length);
    assert.ok(verifyBlock(this.image.digests(number, 1), bytes), `block ${number}`);
  }

  /** The blocks that could not be had, each refused with `code`; the others were right. */
  async refused(fetcher: Fetcher, numbers: number[], code = 'BAD_BLOCK'): Promise<number[]> {
    const outcomes = await Promise.allSettled(numbers.map((n) => fetcher.fetch(n, 'demand')));
    return numbers.filter((number, i) => {
      const outcome = outcomes[i];
      if (outcome?.status === 'fulfilled') this.assertRight(number, outcome.value);
      else assert.equal((outcome?.reason as { code: string }).code, code, String(outcome?.reason));
      return outcome?.status === 'rejected';
    });
  }
}

export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await pause(5);
}
