import type { Image } from '@rowfs/image';
import type { Logger } from 'pino';
import { FileBlocks } from '../block-reader/file-blocks.ts';
import { FirstUses } from '../boot-profile/first-uses.ts';
import { BootRecord } from '../boot-profile/profile-files.ts';
import type { FileContents } from '../image-view/file-contents.ts';

/** What is read for this long, from the first READ on, counts as the boot. */
const BOOT_MS = 180_000;
/** When it is recorded first: soon, for who is killed, and then each time that as long again has gone by. */
const FIRST_RECORDED_MS = 5_000;
/** How often to look whether it is time. */
const LOOK_MS = 1_000;

export interface BootRecorderOptions {
  /** Of all boot profiles that are recorded here. */
  readonly directory: string;
  readonly image: Image;
  readonly contents: FileContents;
  readonly logger: Logger;
}

/** An image's files as one machine reads them. */
export interface RecordedMachine {
  readonly contents: FileContents;
  /** It begins to boot now. */
  bootBegins(): void;
  /** It reads no more: a boot that is not over by now is recorded as far as it went. */
  close(): Promise<void>;
}

/**
 * Adds what machines read at their boots to the boot profile of their image. One boot is recorded at a time: machines
 * that boot meanwhile from the same image read the same.
 */
export class BootRecorder {
  readonly #options: BootRecorderOptions;
  readonly #files: FileBlocks;
  #recorded: { readonly machine: RecordedMachine; readonly boot: RecordedBoot } | undefined;
  #closing: Promise<void> = Promise.resolve();

  constructor(options: BootRecorderOptions) {
    this.#options = options;
    this.#files = new FileBlocks(options.image);
  }

  /** Nothing of it is recorded until it begins to boot. */
  machine(): RecordedMachine {
    const { contents } = this.#options;
    const machine: RecordedMachine = {
      contents: {
        read: (fileid, offset, count, signal, reply) => {
          if (this.#recorded?.machine === machine) this.#note(fileid, offset, count);
          return contents.read(fileid, offset, count, signal, reply);
        },
      },
      bootBegins: () => this.#begin(machine),
      close: async () => {
        if (this.#recorded?.machine === machine) this.#end();
        await this.#closing;
      },
    };
    return machine;
  }

  #begin(machine: RecordedMachine): void {
    if (this.#recorded !== undefined && this.#recorded.machine !== machine) return;
    this.#end();
    const onOver = (): void => {
      if (this.#recorded?.boot === boot) this.#end();
    };
    const boot = new RecordedBoot(this.#options, { onOver, after: this.#closing });
    this.#recorded = { machine, boot };
  }

  #end(): void {
    const ended = this.#recorded?.boot;
    this.#recorded = undefined;
    if (ended !== undefined) this.#closing = ended.close();
  }

  #note(fileid: number, offset: number, count: number): void {
    for (const part of this.#files.parts(fileid, offset, count))
      if (!('zeros' in part)) this.#recorded?.boot.uses.note(part.number, part.count);
  }
}

/** One boot, of one machine. */
class RecordedBoot {
  readonly uses: FirstUses;
  readonly #record: BootRecord;
  readonly #logger: Logger;
  readonly #onOver: () => void;
  readonly #timer: NodeJS.Timeout;
  #begunAt: number | undefined;
  #nextMs = FIRST_RECORDED_MS;
  /** One after the other, and those of the boot before it first. */
  #written: Promise<void>;

  constructor(
    { directory, image, logger }: BootRecorderOptions,
    { onOver, after }: { readonly onOver: () => void; readonly after: Promise<void> },
  ) {
    this.uses = new FirstUses(image.blockCount);
    this.#record = new BootRecord(directory, image);
    this.#logger = logger;
    this.#onOver = onOver;
    this.#written = after;
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#write();
    await this.#written;
  }

  #look(): void {
    if (this.uses.count === 0) return;
    this.#begunAt ??= performance.now();
    const ms = performance.now() - this.#begunAt;
    if (ms >= BOOT_MS) this.#onOver();
    else if (ms >= this.#nextMs) {
      this.#nextMs *= 2;
      this.#write();
    }
  }

  #write(): void {
    const uses = this.uses.order();
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
