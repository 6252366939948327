import type { Nfs3Context } from '@rowfs/nfs3';
import type { Asked } from './link-estimator.ts';
import type { ReadBytes } from './served-image.ts';
import type { Source } from './source.ts';
import type { WantedBlock } from './wanted-block.ts';

/** What takes longer than this many times what was expected, and this much, is late. */
const LATE_FACTOR = 3;
const LATE_MS = 100;
/** A server that says nothing for this many times what was expected is given up. */
const SILENT_FACTOR = 6;
/** What a line is taken to bring as long as nothing is known of it, in bytes per millisecond. */
const UNKNOWN_RATE = 64;

/** Blocks that follow each other in a file, asked of one server together. */
export class BlockRead {
  readonly source: Source;
  readonly blocks: readonly WantedBlock[];
  readonly bytes: number;
  /** Looking for the file, waiting for room in the window, or under way. */
  phase: 'walking' | 'waiting' | 'reading' = 'walking';
  /** It took too long, and others may be asked as well. */
  isLate = false;
  #startedAt = 0;
  #lateAt = 0;
  #silentAt = 0;
  #asked: Asked | undefined;

  /** `blocks` are one at least. */
  constructor(source: Source, blocks: readonly WantedBlock[]) {
    this.source = source;
    this.blocks = blocks;
    this.bytes = blocks.reduce((sum, { block }) => sum + block.length, 0);
    this.#expect(this.bytes);
  }

  get isDemanded(): boolean {
    return this.blocks.some(({ urgency, isSettled }) => urgency === 'demand' && !isSettled);
  }

  /** Whether it is late now. */
  isOverdue(now: number): boolean {
    return now >= this.#lateAt;
  }

  /** Whether its server has said nothing at all, of this or anything else, for far too long. */
  isUnheard(now: number): boolean {
    return now >= this.#silentAt && this.source.served.replica.isSilentSince(this.#startedAt);
  }

  /**
   * Walks to the file, waits for its turn, and reads; undefined when nobody wanted it any more.
   *
   * @throws ServerFault, FailoverError, RpcError
   */
  async run(ctx: Nfs3Context): Promise<ReadBytes | undefined> {
    const { served } = this.source;
    const [first] = this.blocks;
    if (first === undefined) return undefined;
    const { fileid, offset } = first.block;
    if (!served.hasHandle(fileid)) await served.handle(fileid, ctx);
    this.phase = 'waiting';
    await this.source.turn(this);
    if (this.blocks.every(({ isSettled }) => isSettled)) return undefined;
    try {
      const read = await served.read(fileid, offset, this.bytes, ctx);
      if (read.fault === undefined) this.#arrived();
      return read;
    } finally {
      this.#lost();
    }
  }

  /** Its turn has come: it counts from now on. */
  begin(): void {
    this.phase = 'reading';
    const { served } = this.source;
    served.replica.called();
    this.#asked = served.link.asked(this.bytes);
    this.#expect(0);
  }

  #expect(bytes: number): void {
    const { link, replica } = this.source.served;
    const expectedMs = link.etaMs(bytes);
    const longestMs =
      link.rate === undefined ? (link.inFlight + bytes) / UNKNOWN_RATE : expectedMs * SILENT_FACTOR;
    this.#startedAt = performance.now();
    this.#lateAt = this.#startedAt + expectedMs * LATE_FACTOR + LATE_MS;
    this.#silentAt = this.#startedAt + Math.max(replica.latency.patienceMs, longestMs);
  }

  #arrived(): void {
    if (this.#asked === undefined) return;
    const { link, replica } = this.source.served;
    link.arrived(this.#asked);
    replica.answered(performance.now() - this.#asked.at);
    this.#asked = undefined;
  }

  #lost(): void {
    if (this.#asked === undefined) return;
    this.source.served.link.lost(this.#asked);
    this.#asked = undefined;
  }
}
