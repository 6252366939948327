import type { Nfs3Context } from '@rowfs/nfs3';
import type { Urgency } from '../block-reader/block-fetcher.ts';
import { BlockRead } from './block-read.ts';
import { FileWalk } from './file-walk.ts';
import type { ServedImage } from './served-image.ts';
import type { Standing } from './standing.ts';
import type { WantedBlock } from './wanted-block.ts';

/** Files that are looked up at a time: calls of some hundred bytes. */
const MAX_WALKS = 256;
/** And of these, those that no block waits for. */
const MAX_WALKS_AHEAD = 128;

/** One mounted server as work is given to it: what it does now, and whether it has room for more. */
export class Source {
  readonly served: ServedImage;
  readonly standing: Standing;
  readonly reads = new Set<BlockRead>();
  /** By fileid. */
  readonly walks = new Map<number, FileWalk>();

  constructor(served: ServedImage, standing: Standing) {
    this.served = served;
    this.standing = standing;
  }

  /**
   * Whether it may read something of this urgency. What somebody waits for has a window of its own:
   * it never waits here behind what nobody waits for.
   */
  hasRoom(urgency: Urgency): boolean {
    if (this.standing.trust === 'on-probation') return this.reads.size === 0;
    const { link } = this.served;
    if (urgency !== 'demand') return link.inFlight < link.windowBytes;
    let demanded = 0;
    for (const read of this.reads) if (read.isDemanded) demanded += read.bytes;
    return demanded < link.windowBytes;
  }

  get hasRoomToWalkAhead(): boolean {
    return this.walks.size < MAX_WALKS_AHEAD;
  }

  /** The most that it should read at once, in bytes; a single block always may be. */
  get runBytes(): number {
    if (this.standing.trust === 'on-probation') return 0;
    return Math.min(this.served.maxReadBytes, this.served.link.readBytes);
  }

  /** Whether the file of a block may be read at once. */
  knows({ block }: WantedBlock): boolean {
    return this.served.hasHandle(block.fileid);
  }

  /** Its walk to the file of a block takes too long. */
  isLateFor({ block }: WantedBlock, now: number): boolean {
    return this.walks.get(block.fileid)?.isOverdue(now) === true;
  }

  /** When it would bring a block that it is given now, in ms; `ahead` are bytes to be brought before. */
  etaMs(wanted: WantedBlock, ahead: number): number {
    const { link } = this.served;
    const walkMs = this.knows(wanted) ? 0 : link.roundTripMs;
    return walkMs + link.etaMs(ahead + wanted.block.length);
  }

  read(first: WantedBlock, others: readonly WantedBlock[]): BlockRead {
    const read = new BlockRead(this.served, first, others);
    this.reads.add(read);
    return read;
  }

  /** The walk to the file of a block; undefined when it is under way, or there are enough. */
  walkFor(wanted: WantedBlock, ctx: Nfs3Context): FileWalk | undefined {
    const { fileid } = wanted.block;
    const known = this.walks.get(fileid);
    if (known !== undefined) {
      known.blocks.add(wanted);
      return undefined;
    }
    if (this.walks.size >= MAX_WALKS && wanted.urgency !== 'demand') return undefined;
    const walk = this.#begin(fileid, ctx);
    walk.blocks.add(wanted);
    return walk;
  }

  /** The walk to a file that may be read soon; undefined when it is under way, or was done. */
  walkAhead(fileid: number, ctx: Nfs3Context): FileWalk | undefined {
    const isKnown = this.served.hasHandle(fileid) || this.walks.has(fileid);
    return isKnown ? undefined : this.#begin(fileid, ctx);
  }

  #begin(fileid: number, ctx: Nfs3Context): FileWalk {
    const walk = new FileWalk(this.served, fileid, ctx);
    this.walks.set(fileid, walk);
    return walk;
  }
}
