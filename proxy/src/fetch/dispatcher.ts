import type { Image } from '@rowfs/image';
import type { Nfs3Context } from '@rowfs/nfs3';
import type { Logger } from 'pino';
import type { Urgency } from '../block-reader/block-fetcher.ts';
import { FailoverError } from '../failover/failover-error.ts';
import { type Replica, unreachable } from '../failover/replica.ts';
import type { ReplicaSet } from '../failover/replica-set.ts';
import { ROOT_CREDENTIAL } from '../root-credential.ts';
import { BlockQueue, isMoreUrgent, URGENCIES } from './block-queue.ts';
import type { BlockRead } from './block-read.ts';
import type { FileWalk } from './file-walk.ts';
import { FetchError } from './fetch-error.ts';
import { Judge, pathOf } from './judge.ts';
import type { ServedImage } from './served-image.ts';
import { ServerFault } from './server-fault.ts';
import { Source } from './source.ts';
import type { Standings } from './standings.ts';
import { WantedBlock } from './wanted-block.ts';

/*
 * Blocks that are wanted stand in one queue, the most urgent first. Every server takes from it as much
 * as its link holds (link-estimator.ts), so a fast one takes more. A run of neighbours is one READ.
 *
 * - A block goes to the server that would bring it first, even when that one has no room yet.
 * - A read that takes much longer than expected is late: what it was to bring is asked of another
 *   server as well, and the first right answer counts.
 * - What a server brings is proven block by block. A server with a fault is distrusted: it is asked
 *   only for what no other has, until a single block, much later, was right (standing.ts).
 * - When a READ of several blocks fails, each is asked for alone: only what is bad is missed.
 * - A block that every server was asked for, and none has right, is refused at once; while no server
 *   answers, blocks wait.
 */

export interface DispatcherOptions {
  readonly image: Image;
  readonly replicas: ReplicaSet<ServedImage>;
  readonly standings: Standings<ServedImage>;
  readonly timings: { readonly holdMs: number };
  readonly logger: Logger;
  /** A server is distrusted, or trusted again. */
  readonly changed: () => void;
}

/** How often to look for what is late. */
const PULSE_MS = 20;
/** So many blocks that cannot be read yet are looked at, and their files looked up. */
const MAX_PASSED = 256;
/** Files that are still to be looked up ahead; more are forgotten. */
const MAX_EXPECTED = 1024;
/** When nothing has become wanted or possible since that was done. */
const FEW_PASSED = 8;

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #wanted = new Map<number, WantedBlock>();
  readonly #queue = new BlockQueue();
  /** Files that may be read soon, and were not looked up. */
  readonly #expected = new Set<number>();
  readonly #sources = new Map<ServedImage, Source>();
  readonly #judge: Judge;
  readonly #closing = new AbortController();
  readonly #ctx: Nfs3Context;
  /** There may be files to look up. */
  #mayWalk = false;
  #dispatching: NodeJS.Immediate | undefined;
  #pulse: NodeJS.Timeout | undefined;
  /** When the last server was lost; undefined while there is one. */
  #deserted: number | undefined;
  #cancelWait: (() => void) | undefined;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#judge = new Judge(options);
    const peer = { address: 'fetch', port: 0 };
    this.#ctx = { credential: ROOT_CREDENTIAL, signal: this.#closing.signal, peer };
  }

  fetch(number: number, urgency: Urgency): Promise<Buffer> {
    const known = this.#wanted.get(number);
    if (known !== undefined) {
      this.#hurry(known, urgency);
      return known.bytes;
    }
    if (this.#closing.signal.aborted) return Promise.reject(closed());
    let wanted;
    try {
      wanted = new WantedBlock(this.#options.image, number, urgency);
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
    this.#wanted.set(number, wanted);
    this.#queue.put(wanted, { again: false });
    this.#mayWalk = true;
    this.#schedule();
    return wanted.bytes;
  }

  /** Looks a file up ahead, where its blocks would be read, if that can be done soon. */
  expect(fileid: number): void {
    if (this.#closing.signal.aborted || this.#expected.size >= MAX_EXPECTED) return;
    this.#expected.add(fileid);
    this.#schedule();
  }

  serversChanged(): void {
    this.#schedule();
  }

  close(): void {
    this.#closing.abort(closed());
    clearImmediate(this.#dispatching);
    clearTimeout(this.#pulse);
    this.#cancelWait?.();
    for (const wanted of this.#wanted.values()) this.#settle(wanted, closed());
  }

  #hurry(wanted: WantedBlock, urgency: Urgency): void {
    if (!isMoreUrgent(urgency, wanted.urgency)) return;
    const isQueued = this.#queue.has(wanted);
    this.#queue.remove(wanted);
    wanted.urgency = urgency;
    if (isQueued) this.#queue.put(wanted, { again: wanted.inTroubleSince < Infinity });
    this.#schedule();
  }

  /** At the end of this turn of the event loop: neighbours that are asked for together go together. */
  #schedule(): void {
    if (this.#closing.signal.aborted) return;
    this.#dispatching ??= setImmediate(() => {
      this.#dispatching = undefined;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    this.#findSources();
    for (const urgency of URGENCIES) this.#giveOut(urgency);
    this.#walkAhead();
    this.#mayWalk = false;
    for (const source of this.#sources.values())
      if (source.hasRoom('prefetch')) source.served.link.idle();
    if (this.#wanted.size > 0) this.#pulse ??= this.#nextPulse();
  }

  #giveOut(urgency: Urgency): void {
    let passed = 0;
    const most = this.#mayWalk ? MAX_PASSED : FEW_PASSED;
    for (const wanted of this.#queue.of(urgency)) {
      const taker = this.#takerOf(wanted);
      if (taker?.knows(wanted) === true && taker.hasRoom(urgency)) {
        const mayRead = (other: WantedBlock): boolean => other.mayBeAskedOf(taker.served);
        const others = this.#queue.after(wanted, taker.runBytes, mayRead);
        this.#read(taker, taker.read(wanted, others));
        continue;
      }
      if (taker?.knows(wanted) === false) this.#walk(taker, taker.walkFor(wanted, this.#ctx));
      passed += 1;
      if (passed > most) return;
    }
  }

  #walkAhead(): void {
    const trusted = [...this.#sources.values()].filter(
      ({ standing }) => standing.trust !== 'distrusted',
    );
    const [source] = trusted.sort((a, b) => a.served.link.etaMs(0) - b.served.link.etaMs(0));
    if (source === undefined) return;
    for (const fileid of this.#expected) {
      if (!source.hasRoomToWalkAhead) return;
      this.#expected.delete(fileid);
      this.#walk(source, source.walkAhead(fileid, this.#ctx));
    }
  }

  /** Who would bring the block first, though it may have no room yet; undefined when nobody has it. */
  #takerOf(wanted: WantedBlock): Source | undefined {
    const able = [...this.#sources.values()].filter(({ served }) => wanted.mayBeAskedOf(served));
    if (able.length === 0) this.#giveUpIfHopeless(wanted);
    const good = able.filter(({ standing }) => standing.trust !== 'distrusted');
    const candidates = good.length > 0 ? good : able;
    const now = performance.now();
    const quick = candidates.filter((source) => !source.isLateFor(wanted, now));
    let taker: Source | undefined;
    let soonest = Infinity;
    for (const source of quick.length > 0 ? quick : candidates) {
      // Who has no room would first do all that goes before, and the block may be the last of it.
      const ahead = source.hasRoom(wanted.urgency) ? 0 : this.#queue.bytesUpTo(wanted.urgency);
      const eta = source.etaMs(wanted, ahead);
      if (eta >= soonest) continue;
      soonest = eta;
      taker = source;
    }
    return taker;
  }

  #read(source: Source, read: BlockRead): void {
    const { blocks } = read;
    for (const wanted of blocks) {
      this.#queue.remove(wanted);
      wanted.asked.add(source.served);
    }
    read
      .run(this.#ctx)
      .then((bytes) => {
        for (const [wanted, right] of this.#judge.rightOf(source, blocks, bytes))
          this.#settle(wanted, right);
      })
      .catch((error: unknown) => this.#readFailed(source, blocks, error))
      .finally(() => this.#ended(source, read));
  }

  /** The block stays queued: who brings it is decided when its file is found. */
  #walk(source: Source, walk: FileWalk | undefined): void {
    walk
      ?.run()
      .catch((error: unknown) => this.#walkFailed(source, walk, error))
      .finally(() => {
        source.walks.delete(walk.fileid);
        this.#mayWalk = true;
        this.#schedule();
      });
  }

  #ended(source: Source, read: BlockRead): void {
    source.reads.delete(read);
    for (const wanted of read.blocks) wanted.asked.delete(source.served);
    this.#askAgain(read.blocks);
    this.#schedule();
  }

  #askAgain(blocks: readonly WantedBlock[]): void {
    for (const wanted of blocks)
      if (!wanted.isSettled && !this.#queue.has(wanted)) this.#queue.put(wanted, { again: true });
    this.#mayWalk = true;
  }

  #readFailed(source: Source, blocks: readonly WantedBlock[], error: unknown): void {
    if (!(error instanceof ServerFault)) {
      this.#unanswered(source, blocks, error);
      return;
    }
    // A file that is not there is not there for each of its blocks.
    const isOfOne = error.code !== 'MISSING_FILE' && blocks.length > 1;
    for (const wanted of blocks) this.#judge.blame(source, wanted, error, isOfOne);
  }

  #walkFailed(source: Source, { blocks }: FileWalk, error: unknown): void {
    const waiting = [...blocks].filter(({ isSettled }) => !isSettled);
    if (!(error instanceof ServerFault)) this.#unanswered(source, waiting, error);
    else for (const wanted of waiting) this.#judge.blame(source, wanted, error, false);
  }

  #unanswered({ served }: Source, blocks: readonly WantedBlock[], error: unknown): void {
    if (this.#closing.signal.aborted) return;
    for (const wanted of blocks) wanted.noteTrouble();
    const { replica } = served;
    const reason = error instanceof FailoverError ? error : unreachable(replica.address, error);
    replica.demote(served, reason);
  }

  #settle(wanted: WantedBlock, outcome: Buffer | Error): void {
    if (wanted.isSettled) return;
    this.#wanted.delete(wanted.number);
    this.#queue.remove(wanted);
    if (outcome instanceof Error) wanted.reject(outcome);
    else wanted.resolve(outcome);
  }

  #giveUpIfHopeless(wanted: WantedBlock): void {
    const { replicas } = this.#options;
    if (wanted.faults.size === 0 || !replicas.isSettled()) return;
    if ([...wanted.asked].some((served) => this.#sources.has(served))) return;
    const faults = [...wanted.faults.values()].map(({ code }) => code);
    const servers = [...wanted.faults.keys()].map(({ address }) => address);
    const each = servers.map((server, i) => `${server} (${faults[i]})`).join(', ');
    const message = `no server has ${pathOf(this.#options.image, wanted)} right at ${wanted.block.offset}: ${each}`;
    this.#settle(wanted, new FetchError('BAD_BLOCK', message));
  }

  /** Keeps step with the servers: those that are mounted are sources. */
  #findSources(): void {
    const { replicas, standings } = this.#options;
    const mounted = new Map<ServedImage, Replica<ServedImage>>();
    for (const replica of replicas.healthy())
      if (replica.tree !== undefined) mounted.set(replica.tree, replica);
    for (const [served, source] of this.#sources) {
      if (mounted.has(served)) continue;
      this.#sources.delete(served);
      // A server that fell silent may yet answer: whoever is first.
      for (const { blocks } of source.reads) this.#askAgain(blocks);
    }
    for (const [served, replica] of mounted) {
      if (this.#sources.has(served)) continue;
      this.#sources.set(served, new Source(served, standings.of(replica)));
      this.#mayWalk = true;
    }
    if (mounted.size > 0) this.#deserted = undefined;
    else {
      this.#deserted ??= performance.now();
      // The set probes its servers sooner while somebody waits.
      if (this.#wanted.size > 0)
        this.#cancelWait ??= replicas.onNextChange(() => {
          this.#cancelWait = undefined;
          this.#schedule();
        });
    }
  }

  #nextPulse(): NodeJS.Timeout {
    // After what has arrived was taken in: nobody is late because this process was busy.
    return setTimeout(() => setImmediate(() => this.#look()), PULSE_MS);
  }

  #look(): void {
    this.#pulse = undefined;
    if (this.#closing.signal.aborted) return;
    const now = performance.now();
    for (const source of this.#sources.values()) this.#hedge(source, now);
    this.#giveUpWaiting(now);
    this.#dispatch();
  }

  #hedge({ reads, walks, served }: Source, now: number): void {
    if ([...reads, ...walks.values()].some((call) => call.isUnheard(now))) {
      const message = `${served.replica.address} has said nothing for too long`;
      served.replica.demote(served, new FailoverError('SILENT', message));
    }
    for (const read of reads) {
      if (read.isLate || !read.isOverdue(now)) continue;
      read.isLate = true;
      for (const wanted of read.blocks) wanted.noteTrouble();
      this.#askAgain(read.blocks);
    }
    for (const walk of walks.values())
      if (walk.isOverdue(now)) for (const wanted of walk.blocks) wanted.noteTrouble();
  }

  /** What was asked for long ago, or has nobody to be asked of, is given up. */
  #giveUpWaiting(now: number): void {
    const { holdMs } = this.#options.timings;
    const deserted = this.#deserted;
    for (const wanted of this.#wanted.values()) {
      const alone = deserted === undefined ? Infinity : Math.max(deserted, wanted.since);
      const waiting = Math.min(alone, wanted.inTroubleSince);
      if (now - waiting < holdMs) continue;
      const reasons = this.#options.replicas
        .all()
        .map(({ lastError, address }) => lastError?.message ?? address);
      const message = `no server answered for ${holdMs} ms: ${reasons.join('; ')}`;
      this.#settle(wanted, new FetchError('NO_SERVER', message));
    }
  }
}

function closed(): FetchError {
  return new FetchError('CLOSED', 'the fetcher was closed');
}
