import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BOOT_PROFILE_PATH, digestOf, type Image } from '@rowfs/image';
import type { Logger } from 'pino';
import type { BlockReader } from '../block-reader/block-reader.ts';
import { blocksOfProfile, type BootProfile, mergeProfiles } from '../boot-profile/boot-profile.ts';
import { readProfile } from '../boot-profile/profile-files.ts';
import { decodeProfile } from '../boot-profile/profile-format.ts';
import type { OpenServer } from '../failover/replica.ts';
import type { ImageServer, PublishedFile } from '../locator.ts';
import { messageOf } from '../proxy-error.ts';
import { fetchPublished } from '../published/fetch-published.ts';
import { replaceFile } from '../store/replace-file.ts';

export interface BootPrefetchOptions {
  readonly image: Image;
  readonly reader: BlockReader;
  readonly published: PublishedFile | undefined;
  /** Who may have it. */
  readonly servers: readonly ImageServer[];
  readonly openServer: OpenServer;
  readonly cacheDirectory: string;
  readonly logger: Logger;
}

/** How far the blocks of the boot profile are here. */
export interface BootPrefetchStatus {
  /** Blocks that the profile has. */
  readonly blocks: number;
  /** Those that were here, or were fetched, or could not be, by now. */
  readonly done: number;
}

/** Where this machine's own boots are recorded. */
export const recordedProfiles = (cacheDirectory: string): string =>
  join(cacheDirectory, 'boot-profiles');

/**
 * Fetches what a boot of the image will read, before it does: as boots elsewhere did, by the published profile, and
 * as boots here did. Nothing that fails in it fails the session.
 */
export class BootPrefetch {
  readonly #options: BootPrefetchOptions;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;
  #status: BootPrefetchStatus | undefined;

  constructor(options: BootPrefetchOptions) {
    this.#options = options;
  }

  /** Fetches what is not here; nothing new begins while that is under way. */
  begin(): void {
    this.#running ??= this.#run()
      .catch((error: unknown) => {
        if (!this.#closing.signal.aborted)
          this.#options.logger.warn(`nothing is fetched ahead: ${messageOf(error)}`);
      })
      .finally(() => (this.#running = undefined));
  }

  /** Undefined while there is no profile. */
  get status(): BootPrefetchStatus | undefined {
    return this.#status;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { image, reader, cacheDirectory } = this.#options;
    const own = await readProfile(recordedProfiles(cacheDirectory), image);
    const published = await this.#published();
    const profile =
      own === undefined || published === undefined
        ? (own ?? published)
        : mergeProfiles(published, own);
    if (profile === undefined) return;
    const numbers = [...blocksOfProfile(profile)];
    this.#status = { blocks: numbers.length, done: 0 };
    await reader.prefetch(numbers, {
      signal: this.#closing.signal,
      onProgress: (done) => (this.#status = { blocks: numbers.length, done }),
    });
  }

  /** As it was kept, or from a server; undefined when there is none, or nobody gives it. */
  async #published(): Promise<BootProfile | undefined> {
    const { image, published, cacheDirectory, logger } = this.#options;
    if (published === undefined) return undefined;
    const open = (bytes: Buffer): BootProfile => {
      if (digestOf(bytes).toString('hex') !== published.digest)
        throw new Error('it has another digest');
      return decodeProfile(bytes, image);
    };
    const path = join(cacheDirectory, 'published-boot-profiles', published.digest);
    try {
      return open(await readFile(path));
    } catch {
      // Not there, or damaged: then from a server.
    }
    try {
      const { content } = await fetchPublished({
        ...this.#options,
        path: BOOT_PROFILE_PATH,
        size: { published: published.bytes },
        open: (bytes) => ({ bytes, profile: open(bytes) }),
        signal: this.#closing.signal,
      });
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await replaceFile(path, content.bytes);
      return content.profile;
    } catch (error) {
      logger.warn(`no published boot profile: ${messageOf(error)}`);
      return undefined;
    }
  }
}
