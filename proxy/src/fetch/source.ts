import type { Urgency } from '../block-reader/block-fetcher.ts';
import type { BlockRead } from './block-read.ts';
import type { ServedImage } from './served-image.ts';
import type { Standing } from './standing.ts';

/** Files that are looked up at a time on one server: calls of some hundred bytes. */
const MAX_WALKS = 256;

/** One mounted server as work is given to it: the reads it has, and whether it has room for more. */
export class Source {
  readonly served: ServedImage;
  readonly standing: Standing;
  readonly reads = new Set<BlockRead>();
  readonly #waiting = new Map<BlockRead, () => void>();

  constructor(served: ServedImage, standing: Standing) {
    this.served = served;
    this.standing = standing;
  }

  /**
   * Whether to give it something of this urgency. What somebody waits for has a window of its own:
   * it never waits here behind what nobody waits for.
   */
  hasRoom(urgency: Urgency): boolean {
    if (this.standing.trust === 'on-probation') return this.reads.size === 0;
    const { link } = this.served;
    if (urgency === 'demand') return this.#bytesOf((read) => read.isDemanded) < link.windowBytes;
    const walking = this.#bytesOf(({ phase }) => phase === 'walking');
    const waiting = this.#bytesOf(({ phase }) => phase === 'waiting');
    return (
      link.inFlight + waiting < link.windowBytes &&
      walking < link.windowBytes &&
      this.reads.size < MAX_WALKS
    );
  }

  /** The most that it should be given in one run, in bytes. */
  get runBytes(): number {
    if (this.standing.trust === 'on-probation') return 0;
    return Math.min(this.served.maxReadBytes, this.served.link.readBytes);
  }

  /** Resolves when the window has room for the read, which is begun then. */
  turn(read: BlockRead): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.set(read, resolve);
      this.proceed();
    });
  }

  /** Begins what may be begun: all that somebody waits for, and of the rest what there is room for. */
  proceed(): void {
    for (const read of this.#waiting.keys()) if (read.isDemanded) this.#begin(read);
    const { link } = this.served;
    for (const read of this.#waiting.keys()) {
      if (link.inFlight >= link.windowBytes) return;
      this.#begin(read);
    }
  }

  #begin(read: BlockRead): void {
    const go = this.#waiting.get(read);
    this.#waiting.delete(read);
    read.begin();
    go?.();
  }

  #bytesOf(isCounted: (read: BlockRead) => boolean): number {
    let bytes = 0;
    for (const read of this.reads) if (isCounted(read)) bytes += read.bytes;
    return bytes;
  }
}
