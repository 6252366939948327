import type { Image } from '@rowfs/image';
import type { Logger } from 'pino';
import type { BlockReader } from '../block-reader/block-reader.ts';
import { BootRecord } from '../boot-profile/profile-files.ts';

/** What is read for this long, from the first READ on, counts as the boot. */
const BOOT_MS = 180_000;
/** When it is recorded first: soon, for who is killed, and then each time that as long again has gone by. */
const FIRST_RECORDED_MS = 5_000;
/** How often to look whether it is time. */
const LOOK_MS = 1_000;

/** Adds what a machine reads at its boot to the boot profile of its image. */
export class BootRecorder {
  readonly #record: BootRecord;
  readonly #reader: BlockReader;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  #begunAt: number | undefined;
  #nextMs = FIRST_RECORDED_MS;
  #isOver = false;
  /** One after the other. */
  #written: Promise<void> = Promise.resolve();

  constructor(directory: string, image: Image, reader: BlockReader, logger: Logger) {
    this.#record = new BootRecord(directory, image);
    this.#reader = reader;
    this.#logger = logger;
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** A boot that is not over by now is recorded as far as it went. */
  async close(): Promise<void> {
    this.#end();
    await this.#written;
  }

  #look(): void {
    const { hits, misses } = this.#reader.statistics();
    if (hits + misses === 0) return;
    this.#begunAt ??= performance.now();
    const ms = performance.now() - this.#begunAt;
    if (ms >= BOOT_MS) this.#end();
    else if (ms >= this.#nextMs) {
      this.#nextMs *= 2;
      this.#write();
    }
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#write();
  }

  #write(): void {
    const uses = this.#reader.firstUses();
    if (uses.length === 0) return;
    this.#written = this.#written
      .then(() => this.#record.write(uses))
      .then(
        () => undefined,
        (error: unknown) => {
          // The next boot is slower without it, and nothing else.
          this.#logger.warn({ err: error }, 'what this boot read could not be recorded');
        },
      );
  }
}
