import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Filehandle } from '@rowfs/nfs3';
import { type Logger, pino } from 'pino';
import type { Writes } from '../store/journal.ts';
import { RecordStore } from '../store/record-store.ts';
import { syncDirectory } from '../store/sync-directory.ts';
import { Clock } from './clock.ts';
import { NameHash } from './cookies.ts';
import { HandleCodec, SHADOW_ID_BYTES } from './handle.ts';
import { KeptReplies } from './kept-replies.ts';
import { lockShadow } from './lock-shadow.ts';
import {
  dataPath,
  FORMAT,
  FORMAT_KEY,
  ID_KEY,
  makeShadow,
  NEXT_ID_KEY,
  OWNER_KEY,
  recordsPath,
  ROOT_KEY,
} from './make-shadow.ts';
import { decodeId, encodeId, latin1, LOWER_TABLE, type Node, presencePrefix } from './records.ts';
import { ShadowError } from './shadow-error.ts';
import { ShadowFiles } from './shadow-files.ts';
import { Space, type SpaceLimits, type SpaceStatistics } from './space.ts';

/** What a shadow was made over; it only fits that. */
export interface ShadowOwner {
  readonly appliance?: string | undefined;
  readonly version?: string | undefined;
  /** Of the manifest of a verified image, in hex. */
  readonly digest?: string | undefined;
}

export interface ShadowOptions {
  /** Made when it is not there; everything of the shadow is in it. */
  readonly directory: string;
  readonly belongsTo: ShadowOwner;
  readonly limits?: SpaceLimits;
  readonly logger?: Logger;
}

/** How much a shadow holds. */
export interface ShadowStatistics extends SpaceStatistics {
  /** Bytes that clients wrote here since it was opened. */
  readonly bytesRedirected: number;
}

const IDS_RESERVED = 1024;

/**
 * Opens the shadow in a directory, or makes one there.
 *
 * @throws ShadowError SHADOW_IN_USE when another process has it; SHADOW_VERSION_MISMATCH when it was
 *   made over another image; SHADOW_CORRUPT when it is of an unknown format; SHADOW_UNUSABLE when
 *   the directory cannot be used at all.
 */
export async function openShadow(options: ShadowOptions): Promise<Shadow> {
  const { limits = {}, logger = pino({ level: 'silent' }) } = options;
  const directory = resolve(options.directory);
  let unlock: (() => void) | undefined;
  let shadow: Shadow | undefined;
  try {
    await makeDirectory(directory);
    unlock = lockShadow(join(directory, 'lock'));
    await makeShadow(directory, options.belongsTo);
    shadow = new Shadow(directory, limits, logger, unlock);
    await shadow.initialize(options.belongsTo);
    return shadow;
  } catch (error) {
    await shadow?.release();
    unlock?.();
    if (error instanceof ShadowError) throw error;
    throw unusable(directory, error);
  }
}

/** Makes the directory and those above it that are missing, names included, to stay. */
async function makeDirectory(directory: string): Promise<void> {
  const first = mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  if (first === undefined) return;
  for (let made = directory; ; made = dirname(made)) {
    await syncDirectory(dirname(made));
    if (made === first) return;
  }
}

function unusable(directory: string, cause: unknown): ShadowError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const message = `cannot use ${directory} for a shadow: ${reason}`;
  return new ShadowError('SHADOW_UNUSABLE', message, { cause });
}

/** An open shadow: what one machine changed against its image. Made by {@link openShadow}. */
export class Shadow {
  readonly directory: string;
  readonly clock = new Clock();
  readonly files: ShadowFiles;
  /** For what must not be lost before this shadow's changes are; closed with the shadow. */
  readonly records: RecordStore;
  readonly space: Space;
  readonly replies: KeptReplies;
  readonly #logger: Logger;
  readonly #unlock: () => void;
  readonly #discards = new Set<Promise<void>>();
  #identity: { handles: HandleCodec; nameHash: NameHash; fsid: bigint } | undefined;
  #root: string | undefined;
  /** Objects of the lower that have a record, by handle; also some whose record was lost. */
  readonly #changedLowers = new Set<string>();
  #nextId = 1;
  #reservedIds = 1;
  #verifier = randomBytes(8).readBigUInt64BE();
  #bytesRedirected = 0;

  constructor(directory: string, limits: SpaceLimits, logger: Logger, unlock: () => void) {
    this.directory = directory;
    this.#logger = logger;
    this.#unlock = unlock;
    this.records = new RecordStore(recordsPath(directory), (error) => {
      this.#lost(error);
      this.files.loseAll();
      // What was reserved or bound by what was lost is not.
      this.#reservedIds = this.#nextId;
      this.#root = this.#recordedRoot();
    });
    this.replies = new KeptReplies(this.records);
    this.space = new Space(directory, limits, () => this.records.bytesUsed());
    this.files = new ShadowFiles(dataPath(directory), this.records, this.space, (error) =>
      this.#lost(error),
    );
  }

  get handles(): HandleCodec {
    return this.#initialized().handles;
  }

  get nameHash(): NameHash {
    return this.#initialized().nameHash;
  }

  get fsid(): bigint {
    return this.#initialized().fsid;
  }

  /** writeverf3: another one after each start and after each loss of unstable writes. */
  get verifier(): bigint {
    return this.#verifier;
  }

  /** Reads the shadow's own facts, and removes what a crash left. */
  async initialize(owner: ShadowOwner): Promise<void> {
    const format = this.records.get(FORMAT_KEY)?.toString('latin1') ?? 'none';
    if (format !== FORMAT) {
      throw new ShadowError('SHADOW_CORRUPT', `${this.directory} has the unknown format ${format}`);
    }
    this.#checkOwner(owner);
    const id = this.records.get(ID_KEY);
    const next = this.records.get(NEXT_ID_KEY);
    if (id?.length !== SHADOW_ID_BYTES || next === undefined) {
      throw new ShadowError('SHADOW_CORRUPT', `${this.directory} has lost its id`);
    }
    this.#identity = {
      handles: new HandleCodec(id),
      nameHash: new NameHash(id),
      fsid: id.readBigUInt64BE(),
    };
    this.#nextId = this.#reservedIds = decodeId(next);
    this.#root = this.#recordedRoot();
    for (const { key } of this.records.range(LOWER_TABLE, LOWER_TABLE))
      this.#changedLowers.add(latin1(key.subarray(1)));
    const orphans = await this.files.takeStock();
    if (orphans > 0) this.#logger.info({ orphans }, 'removed contents that a crash left behind');
  }

  get(key: string): Buffer | undefined {
    return this.records.get(key);
  }

  /**
   * False when there is certainly no record of an object of the lower, which is so of nearly all: it
   * saves asking the store. `lower` is its handle, as {@link latin1} text.
   */
  mayHaveChanged(lower: string): boolean {
    return this.#changedLowers.has(lower);
  }

  /** Grows whenever {@link mayHaveChanged} has another answer for some object. */
  get changedLowerCount(): number {
    return this.#changedLowers.size;
  }

  range(from: string, prefix: string): Generator<{ key: Buffer; value: Buffer }> {
    return this.records.range(from, prefix);
  }

  /** @param unreferenced nodes that these writes remove: their contents go once it is durable. */
  stage(writes: Writes, unreferenced: readonly number[] = []): void {
    this.records.stage(writes);
    for (const key of writes.keys())
      if (key.startsWith(LOWER_TABLE)) this.#changedLowers.add(key.slice(1));
    if (unreferenced.length > 0) this.#discardLater(unreferenced);
  }

  durable(): Promise<void> {
    return this.records.durable();
  }

  /** Ids are never used twice: a handle that outlives its object must not mean another one. */
  newId(): number {
    if (this.#nextId === this.#reservedIds) {
      this.#reservedIds += IDS_RESERVED;
      this.records.stage(new Map([[NEXT_ID_KEY, encodeId(this.#reservedIds)]]));
    }
    this.#nextId += 1;
    return this.#nextId - 1;
  }

  isRoot(lower: Filehandle): boolean {
    return this.#root === latin1(lower);
  }

  /**
   * Notes the handle that the image's root has in the lower.
   *
   * @throws ShadowError SHADOW_VERSION_MISMATCH when it has changed: then all have.
   */
  async bindRoot(lower: Filehandle): Promise<void> {
    if (this.isRoot(lower)) return;
    if (this.#root !== undefined) {
      throw new ShadowError(
        'SHADOW_VERSION_MISMATCH',
        `${this.directory} was made over another image than the one served now: their roots differ`,
      );
    }
    this.#root = latin1(lower);
    this.records.stage(new Map([[ROOT_KEY, Buffer.from(lower)]]));
    await this.records.durable();
  }

  presenceKeys(node: Node): string[] {
    if (node.lower === undefined) return [];
    return this.records.keys(presencePrefix(node.id));
  }

  countRedirected(bytes: number): void {
    this.#bytesRedirected += bytes;
  }

  async statistics(): Promise<ShadowStatistics> {
    return { bytesRedirected: this.#bytesRedirected, ...(await this.space.statistics()) };
  }

  /**
   * Waits for the space of removed files that is being given back.
   *
   * @returns false when there is none.
   */
  async reclaimed(): Promise<boolean> {
    const discards = [...this.#discards];
    await Promise.all(discards);
    return discards.length > 0;
  }

  /** Brings everything to stable storage. */
  async flush(): Promise<void> {
    await this.files.flushAll();
    await this.records.durable();
  }

  /** Flushes, and lets another process open the shadow. No operation may be under way. */
  async close(): Promise<void> {
    try {
      await this.flush();
      await Promise.all(this.#discards);
    } finally {
      await this.release();
      this.#unlock();
    }
  }

  /** Gives back descriptors and memory; what is not flushed is lost. The lock stays. */
  async release(): Promise<void> {
    this.files.close();
    await this.records.close();
  }

  #initialized(): { handles: HandleCodec; nameHash: NameHash; fsid: bigint } {
    if (this.#identity === undefined) throw new ShadowError('SHADOW_CLOSED', 'not opened yet');
    return this.#identity;
  }

  #recordedRoot(): string | undefined {
    const root = this.records.get(ROOT_KEY);
    return root === undefined ? undefined : latin1(root);
  }

  #checkOwner(owner: ShadowOwner): void {
    const recorded = JSON.parse(this.records.get(OWNER_KEY)?.toString() ?? '{}') as ShadowOwner;
    const { appliance, version, digest } = recorded;
    const isSame = appliance === owner.appliance && version === owner.version;
    if (isSame && digest === owner.digest) return;
    throw new ShadowError(
      'SHADOW_VERSION_MISMATCH',
      `${this.directory} belongs to ${nameOf(recorded)}, not to ${nameOf(owner)}: ` +
        'go on with that version, or use another shadow directory',
    );
  }

  #discardLater(ids: readonly number[]): void {
    const discard = this.records
      .durable()
      .then(async () => {
        for (const id of ids) await this.files.discard(id);
      })
      .catch((error: unknown) => {
        // Nothing is lost but space, and the next opening finds it again.
        this.#logger.warn({ err: error }, 'could not remove the contents of a removed file');
      });
    this.#discards.add(discard);
    void discard.finally(() => this.#discards.delete(discard));
  }

  #lost(error: unknown): void {
    this.#verifier = randomBytes(8).readBigUInt64BE();
    this.#logger.warn(
      { err: error },
      'could not write to the shadow: clients are told to send again',
    );
  }
}

function nameOf({ appliance, version, digest }: ShadowOwner): string {
  const name = appliance ?? 'an image without a name';
  const of = version === undefined ? '' : ` version ${version}`;
  return `${name}${of}${digest === undefined ? '' : ` (${digest.slice(0, 12)})`}`;
}
