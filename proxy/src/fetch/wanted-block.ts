import type { Image, ImageBlock } from '@rowfs/image';
import type { Urgency } from '../block-reader/block-fetcher.ts';
import type { Replica } from '../failover/replica.ts';
import type { ServedImage } from './served-image.ts';
import type { ServerFault } from './server-fault.ts';

/** A block that somebody waits for. */
export class WantedBlock {
  readonly number: number;
  readonly block: ImageBlock;
  readonly digest: Uint8Array;
  readonly bytes: Promise<Buffer>;
  readonly since = performance.now();
  urgency: Urgency;
  /** To be read by itself: it was read with others, and one of them failed. */
  isAlone = false;
  /** Since when what should bring it is late, or has failed: since never is Infinity. */
  inTroubleSince = Infinity;
  /** Who is being asked for it. */
  readonly asked = new Set<ServedImage>();
  /** Who does not have it as it should be. */
  readonly faults = new Map<Replica<ServedImage>, ServerFault>();
  #isSettled = false;
  #resolve: (bytes: Buffer) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  /** @throws ImageError NO_SUCH_BLOCK */
  constructor(image: Image, number: number, urgency: Urgency) {
    this.number = number;
    this.block = image.storedBlock(number);
    this.digest = image.digests(number, 1);
    this.urgency = urgency;
    this.bytes = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  noteTrouble(): void {
    this.inTroubleSince = Math.min(this.inTroubleSince, performance.now());
  }

  resolve(bytes: Buffer): void {
    this.#isSettled = true;
    this.#resolve(bytes);
  }

  reject(error: Error): void {
    this.#isSettled = true;
    this.#reject(error);
  }

  mayBeAskedOf(served: ServedImage): boolean {
    return !this.asked.has(served) && !this.faults.has(served.replica);
  }
}
