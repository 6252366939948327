import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Fattr3, type Filehandle, StableHow, type Verf3 } from '@rowfs/nfs3';
import type { SpaceLimits } from '@rowfs/proxy';
import { type Caller, CALLERS, ROOT } from './callers.ts';
import { attributeDifferences, differences, timeDifferences } from './comparison.ts';
import type { DiskOutcome, DiskState, LocalDisk } from './local-disk.ts';
import {
  type Disturbance,
  inWords,
  type Loss,
  type Operation,
  printable,
  type Step,
} from './operation.ts';
import { type Outcome, Performer } from './perform.ts';
import { contextOf, ProxiedTree } from './proxied-tree.ts';
import { type Paging, readBack, type SeenObject } from './read-back.ts';
import { resolved } from './resolved.ts';
import { UncommittedWrites } from './uncommitted-writes.ts';

/** Both sides did not do the same; the message tells the whole story. */
export class Divergence extends Error {
  override readonly name = 'Divergence';
}

/** How much was done. */
export interface Counts {
  operations: number;
  restarts: number;
  kills: number;
  connectionsLost: number;
  /** Operations that were refused for want of space. */
  refusedForSpace: number;
}

export function noCounts(): Counts {
  return { operations: 0, restarts: 0, kills: 0, connectionsLost: 0, refusedForSpace: 0 };
}

export interface Bench {
  readonly disk: LocalDisk;
  /** Serves the image that the sequences begin with. */
  readonly imagePort: number;
}

/**
 * One sequence of operations on the overlay and on a directory of the local disk.
 *
 * @param sequence under a quota, what is refused with NOSPC is right, if it changes nothing.
 * @throws Divergence after the first step after which they are not the same.
 */
export async function runSequence(
  bench: Bench,
  { steps, quota }: { readonly steps: readonly Step[]; readonly quota?: number | undefined },
  counts: Counts,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'rowfs-model-'));
  try {
    const { paths } = await bench.disk.begin(directory);
    const tree = await ProxiedTree.open(bench.imagePort, directory, spaceFor(quota));
    try {
      const sequence = await Sequence.begin(bench.disk, tree, paths, quota !== undefined);
      for (const step of steps) await sequence.step(step, counts);
    } finally {
      counts.connectionsLost += tree.link.losses + tree.lowerLink.losses;
      await tree.close();
      await bench.disk.end();
    }
  } finally {
    await rm(directory, { recursive: true });
  }
}

function spaceFor(quota: number | undefined): SpaceLimits {
  // What else this disk holds is no matter of the sequence.
  return quota === undefined ? { reserve: 0 } : { quota, reserve: 0 };
}

class Sequence {
  readonly #disk: LocalDisk;
  readonly #tree: ProxiedTree;
  readonly #performer: Performer;
  readonly #mayBeFull: boolean;
  readonly #handles: Buffer[] = [];
  readonly #uncommitted = new UncommittedWrites();
  /** What was done so far, in words. */
  readonly #story: string[] = [];
  #diskState: DiskState = [];
  #seen: readonly (SeenObject | undefined)[] = [];
  /** Every one there ever was. */
  readonly #verifiers: Verf3[] = [];

  static async begin(
    disk: LocalDisk,
    tree: ProxiedTree,
    paths: readonly string[],
    mayBeFull: boolean,
  ): Promise<Sequence> {
    const sequence = new Sequence(disk, tree, mayBeFull);
    for (const path of paths) {
      let handle: Filehandle = tree.root;
      for (const name of path.split('/').filter((each) => each !== '')) {
        const found = await tree.client.lookup({ what: { dir: handle, name } }, contextOf(ROOT));
        if (!('object' in found)) throw new Error(`/${path} is not in the image`);
        handle = found.object;
      }
      sequence.#handles.push(Buffer.from(handle));
    }
    await sequence.#look();
    sequence.#compare();
    return sequence;
  }

  private constructor(disk: LocalDisk, tree: ProxiedTree, mayBeFull: boolean) {
    this.#mayBeFull = mayBeFull;
    this.#disk = disk;
    this.#tree = tree;
    const ctimeOf = (object: number): Fattr3['ctime'] =>
      this.#seen[object]?.attributes.ctime ?? { seconds: 0, nseconds: 0 };
    this.#performer = new Performer(tree.client, (object) => this.#handleOf(object), ctimeOf);
  }

  async step(step: Step, counts: Counts): Promise<void> {
    try {
      if ('disturbance' in step) await this.#disturb(step.disturbance, counts);
      else {
        counts.operations += 1;
        const operation = resolved(step.operation, this.#diskState);
        const caller = CALLERS[step.caller] ?? ROOT;
        await this.#operate(operation, caller, step.loss, counts);
      }
    } catch (error) {
      if (error instanceof Divergence) throw error;
      this.#fail([error instanceof Error ? (error.stack ?? error.message) : String(error)]);
    }
  }

  async #operate(
    operation: Operation,
    caller: Caller,
    loss: Loss | undefined,
    counts: Counts,
  ): Promise<void> {
    const words = inWords(operation, (object) => this.#nameOf(object));
    this.#story.push(`${caller.name}: ${words}${loss === undefined ? '' : `; ${loss}`}`);
    const before = this.#seen;
    const diskBefore = this.#diskState;
    if (loss !== undefined) this.#tree.link.loseNext(loss);
    const outcome = await this.#performer.perform(operation, contextOf(caller));
    this.#story.push(`   ${outcome.status}`);
    if (outcome.status === 'NOSPC' && this.#mayBeFull) counts.refusedForSpace += 1;
    else this.#compareOutcome(outcome, await this.#disk.perform(operation, caller));
    await this.#look();
    this.#compare();
    this.#compareClaims(outcome, before, loss === undefined);
    if (outcome.status === 'OK') this.#compareTimes(operation, before, diskBefore);
    else this.#compareUnchanged(before);
    this.#noteWrites(operation, outcome, caller);
  }

  async #disturb(disturbance: Disturbance, counts: Counts): Promise<void> {
    this.#story.push(disturbance);
    const before = this.#seen;
    const exempt = new Set<number>();
    switch (disturbance) {
      case 'next call to the image server is lost':
        this.#tree.lowerLink.loseNext('the reply is lost');
        break;
      case 'restart of the proxy':
        counts.restarts += 1;
        await this.#tree.restart();
        this.#uncommitted.clear();
        break;
      case 'kill of the proxy':
        counts.kills += 1;
        await this.#tree.kill();
        for (const object of await this.#sendAgain()) exempt.add(object);
        break;
    }
    if (disturbance !== 'next call to the image server is lost') await this.#expectNewVerifier();
    await this.#look();
    this.#compare();
    this.#compareUnchanged(before, exempt);
  }

  /** What a client does when the verifier has changed. */
  async #sendAgain(): Promise<Set<number>> {
    const sent = new Set<number>();
    for (const { object, offset, end, caller } of this.#uncommitted.take()) {
      const content = this.#diskState[object]?.content?.subarray(offset, end);
      if (content === undefined || content.length === 0) continue;
      const args = {
        file: this.#handleOf(object),
        offset,
        count: content.length,
        stable: StableHow.FILE_SYNC,
        data: [content],
      };
      const { status } = await this.#tree.client.write(args, contextOf(caller));
      // It has lost the right to write since; what it wrote while it had it must not be lost.
      if (status !== 0) await this.#tree.client.write(args, contextOf(ROOT));
      sent.add(object);
    }
    return sent;
  }

  async #expectNewVerifier(): Promise<void> {
    const file = this.#diskState.findIndex((object) => object?.type === 'file');
    if (file === -1) return;
    const commit = { type: 'commit', object: file } as const;
    const { verf } = await this.#performer.perform(commit, contextOf(ROOT));
    if (verf === undefined) return;
    if (this.#verifiers.includes(verf)) this.#fail(['the write verifier is one there was before']);
    this.#verifiers.push(verf);
  }

  async #look(): Promise<void> {
    this.#diskState = await this.#disk.state();
    // Small pages of one kind, then large ones of the other.
    const isOdd = this.#story.length % 4 < 2;
    const paging: Paging = { plus: isOdd, pageBytes: isOdd ? 1200 : 600 };
    const { client } = this.#tree;
    this.#seen = await Promise.all(
      this.#handles.map((handle) => readBack(client, handle, paging, contextOf(ROOT))),
    );
  }

  #compareOutcome(outcome: Outcome, onDisk: DiskOutcome): void {
    const { status } = outcome;
    if (!onDisk.statuses.includes(status)) {
      this.#fail([`the disk says ${onDisk.statuses.join(' or ')}`]);
    }
    if (status !== 'OK') return;
    const problems: string[] = [];
    const differ = (what: string, is: unknown, should: unknown): void => {
      if (is !== should) problems.push(`${what} is ${String(is)}, on disk ${String(should)}`);
    };
    differ('access', outcome.access, onDisk.access);
    differ('target', outcome.target, onDisk.target);
    differ('eof', outcome.isEnd, onDisk.isEnd);
    differ('names', outcome.names?.join(), onDisk.names?.join());
    if (onDisk.data !== undefined && Buffer.compare(outcome.data ?? Buffer.alloc(0), onDisk.data)) {
      problems.push('other bytes are read than from the disk');
    }
    if (onDisk.object !== undefined) {
      const handle = Buffer.from(outcome.object ?? []);
      if (onDisk.object === this.#handles.length) this.#handles.push(handle);
      else if (!handle.equals(this.#handleOf(onDisk.object))) problems.push('another handle');
    }
    if (problems.length > 0) this.#fail(problems);
  }

  #compare(): void {
    const problems: string[] = [];
    const fileids = new Map<bigint, number>();
    for (const [object, seen] of this.#seen.entries()) {
      for (const each of differences(seen, this.#diskState[object], (n) => this.#handleOf(n))) {
        problems.push(`${this.#nameOf(object)} ${each}`);
      }
      if (seen === undefined) continue;
      const { fileid } = seen.attributes;
      const other = fileids.get(fileid);
      if (other !== undefined) {
        problems.push(`${this.#nameOf(object)} has the fileid of ${this.#nameOf(other)}`);
      }
      fileids.set(fileid, object);
    }
    if (problems.length > 0) this.#fail(problems);
  }

  /** post_op_attr and wcc_data are true, or left out. */
  #compareClaims(
    { claims }: Outcome,
    before: readonly (SeenObject | undefined)[],
    isSentOnce: boolean,
  ): void {
    for (const claim of claims) {
      const object = this.#handles.findIndex((handle) => handle.equals(claim.object));
      const is = this.#seen[object]?.attributes;
      const was = before[object]?.attributes;
      const problems: string[] = [];
      if (claim.after !== undefined && is !== undefined) {
        problems.push(...attributeDifferences(claim.after, is));
      }
      if (claim.before !== undefined && was !== undefined && isSentOnce) {
        problems.push(...attributeDifferences({ ...was, ...claim.before }, was));
      }
      if (problems.length > 0) {
        this.#fail(problems.map((each) => `the answer: ${this.#nameOf(object)} ${each}`));
      }
    }
  }

  #compareTimes(
    operation: Operation,
    seenBefore: readonly (SeenObject | undefined)[],
    diskStateBefore: DiskState,
  ): void {
    const set = operation.type === 'setattr' ? operation : undefined;
    const problems: string[] = [];
    for (const [object, seen] of this.#seen.entries()) {
      const before = seenBefore[object]?.attributes;
      const [diskBefore, diskAfter] = [diskStateBefore[object], this.#diskState[object]];
      if (!seen || !before || !diskBefore || !diskAfter) continue;
      const after = seen.attributes;
      const times = set?.object === object ? set.wanted.times : undefined;
      const found = timeDifferences({ before, after, diskBefore, diskAfter });
      if (after.fileid !== before.fileid) found.push('has another fileid');
      if (typeof times === 'object') {
        const should = { ...after };
        should.atime = { seconds: times.atime, nseconds: 0 };
        should.mtime = { seconds: times.mtime, nseconds: 0 };
        found.push(...attributeDifferences(after, should));
      }
      problems.push(...found.map((each) => `${this.#nameOf(object)} ${each}`));
    }
    if (problems.length > 0) this.#fail(problems);
  }

  #compareUnchanged(
    before: readonly (SeenObject | undefined)[],
    exempt: ReadonlySet<number> = new Set(),
  ): void {
    const problems: string[] = [];
    for (const [object, was] of before.entries()) {
      const is = this.#seen[object];
      if (is === undefined || was === undefined || exempt.has(object)) continue;
      const found = attributeDifferences(is.attributes, was.attributes);
      problems.push(...found.map((each) => `${this.#nameOf(object)} ${each}, as it was`));
    }
    if (problems.length > 0) this.#fail(problems);
  }

  #noteWrites(operation: Operation, { status, verf }: Outcome, caller: Caller): void {
    if (status !== 'OK') return;
    if (verf !== undefined && this.#verifiers.at(-1) !== verf) {
      if (this.#verifiers.length > 0) this.#fail(['the write verifier changed']);
      this.#verifiers.push(verf);
    }
    if (operation.type === 'commit') this.#uncommitted.committed(operation.object);
    if (operation.type !== 'write' || operation.stable !== StableHow.UNSTABLE) return;
    const { object, offset, length } = operation;
    this.#uncommitted.add({ object, offset, end: offset + length, caller });
  }

  #handleOf(object: number): Buffer {
    const handle = this.#handles[object];
    if (handle === undefined) throw new Error(`there is no object ${object}`);
    return handle;
  }

  /** A path of the object, or its number when it has none. */
  #nameOf(object: number): string {
    const path = pathOf(this.#diskState, object);
    return path === undefined ? `object ${object} (removed)` : printable(path);
  }

  #fail(problems: readonly string[]): never {
    const story = [...this.#story, ...problems.map((problem) => `!! ${problem}`)];
    throw new Divergence(story.join('\n'));
  }
}

function pathOf(state: DiskState, object: number): string | undefined {
  if (object === 0) return '';
  for (const [parent, seen] of state.entries()) {
    for (const [name, child] of seen?.entries ?? []) {
      if (child !== object) continue;
      const prefix = pathOf(state, parent);
      if (prefix !== undefined) return `${prefix}/${name}`;
    }
  }
  return undefined;
}
