import type { Image } from '@rowfs/image';
import type { Logger } from 'pino';
import type { BlockReader } from '../block-reader/block-reader.ts';
import { recordBoot } from '../boot-profile/profile-files.ts';

/** What is read for this long, from the first READ on, counts as the boot. */
const BOOT_MS = 180_000;
/** How often to look whether the boot has begun, or is over. */
const LOOK_MS = 5_000;

/** Adds what a machine reads at its boot to the boot profile of its image: once, when the boot is over. */
export class BootRecorder {
  readonly #directory: string;
  readonly #image: Image;
  readonly #reader: BlockReader;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  #begunAt: number | undefined;
  #recorded: Promise<void> | undefined;

  constructor(directory: string, image: Image, reader: BlockReader, logger: Logger) {
    this.#directory = directory;
    this.#image = image;
    this.#reader = reader;
    this.#logger = logger;
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** A boot that is not over by now is recorded as far as it went. */
  async close(): Promise<void> {
    await this.#record();
  }

  #look(): void {
    const { hits, misses } = this.#reader.statistics();
    if (hits + misses > 0) this.#begunAt ??= performance.now();
    if (this.#begunAt !== undefined && performance.now() - this.#begunAt >= BOOT_MS)
      void this.#record();
  }

  #record(): Promise<void> {
    clearInterval(this.#timer);
    return (this.#recorded ??= this.#write());
  }

  async #write(): Promise<void> {
    const uses = this.#reader.firstUses();
    if (uses.length === 0) return;
    try {
      await recordBoot(this.#directory, this.#image, uses);
    } catch (error) {
      // The next boot is slower without it, and nothing else.
      this.#logger.warn({ err: error }, 'what this boot read could not be recorded');
    }
  }
}
