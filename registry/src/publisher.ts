import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LockHeldError, withLockFile } from '@rowfs/lock-file';
import { checkVersion } from './appliance-id.ts';
import { moveChannels, type ChannelMoves, type ChannelReport } from './channel-moves.ts';
import { Endorsements } from './endorsements.ts';
import { messageOf, RegistryError } from './errors.ts';
import {
  isDeletable,
  permitDeletion,
  reclaimVersion,
  restoreVersions,
  retireVersions,
} from './gc/retirement.ts';
import type { Identity } from './identity.ts';
import { LatestWriter, type LatestDraft, type LatestWriterInit } from './latest-writer.ts';
import { PublishMarks } from './publish-marks.ts';
import { PublishedAppliances } from './published-appliances.ts';
import { channelsOf, MAX_HISTORY, STABLE } from './records/latest.ts';
import type { HistoryEntry, Latest, PublishedFile } from './records/latest.ts';
import { formatServerAddress, type ServerAddress } from './records/server-address.ts';
import { isDueForRenewal, validityOf } from './records/validity.ts';

const DEFAULT_VALIDITY_SECONDS = 30 * 24 * 3600;
/** For other processes with the same key: a publish reads servers before it signs. */
const PATIENCE_MS = 120_000;

/** What a publisher works with. */
export interface PublisherInit extends LatestWriterInit {
  /** Names the appliances, `NAME@<peer id of this key>`, unless the mandate says another one does. */
  readonly key: Identity;
  /** Where publishes in progress are marked; share it with the gc of the same key. */
  readonly stateDir: string;
  /**
   * Proves that a server really serves the version (mounts and reads it); rejects with the reason
   * if not. Nothing is announced that was not fetched.
   */
  readonly verifyServer: (address: ServerAddress, version: string) => Promise<void>;
}

export interface PublishRequest {
  /** The appliance's name without the key. */
  readonly name: string;
  readonly version: string;
  /** All NFSv3 servers that the publisher vouches for: one that is not named again is withdrawn. */
  readonly servers: readonly ServerAddress[];
  /** The image's manifest. Null: a plain NFS export, which nobody can verify. */
  readonly manifest: PublishedFile | null;
  /** The boot profile; null takes one away, and without a word it stays as it is. */
  readonly bootProfile?: PublishedFile | null;
  /**
   * The channels to move to this version, e.g. `["beta"]`; `stable` if not given. The first version of
   * an appliance is `stable` in any case.
   */
  readonly channels?: readonly string[];
  /** How long readers accept the record without a new signature; 30 days if not given. */
  readonly validForSeconds?: number;
}

export interface PublishReport {
  readonly appliance: string;
  readonly version: string;
  /** Of the `latest` record that was written. */
  readonly seq: number;
  readonly servers: readonly string[];
  /** Servers that were vouched for before and not named again. */
  readonly withdrawn: readonly string[];
  /** On how many of how many nodes the `latest` record was read back. */
  readonly holders: number;
  readonly replicas: number;
  /** Which version each channel points at now, `stable` among them. */
  readonly channels: Readonly<Record<string, string>>;
  /** True when its channels were at the version already, and only its validity was prolonged. */
  readonly refreshed: boolean;
}

/**
 * Signs for the appliances of one key. Its changes run one after the other, also with those of other processes that
 * share `stateDir`.
 */
export interface Publisher {
  /**
   * Servers first, read back through the DHT, then `latest`: readers never see a version that
   * cannot be fetched. Running it again continues an interrupted publish, or refreshes a finished one.
   *
   * @throws RegistryError INVALID_VERSION, SERVER_NOT_FETCHABLE, REPLICATION_FLOOR, QUORUM_NOT_REACHED,
   *   ANOTHER_IMAGE (the version was published with another manifest), ...
   */
  publish(request: PublishRequest): Promise<PublishReport>;
  /**
   * Takes versions out of the history: nobody mounts them anew. They are remembered in the record, so
   * that `restore` can undo it, also after a crash. The current version cannot be retired.
   */
  retire(appliance: string, versions: readonly string[]): Promise<void>;
  /** Puts retired versions back: a client turned up that uses them. */
  restore(appliance: string, versions: readonly string[]): Promise<void>;
  /**
   * Signs that servers may delete the data of retired versions, and no longer vouches for servers of
   * them. Returns those versions that were still retired and of which no publish is in flight: only
   * of these a server learns it.
   */
  permitDeletion(appliance: string, versions: readonly string[]): Promise<DeletableVersion[]>;
  /** Points channels at versions that are kept: `stable` back at an older one is a rollback. */
  moveChannels(appliance: string, moves: ChannelMoves): Promise<ChannelReport>;
  /**
   * Signs record and endorsements again for as long as before, if half of their time has passed; then
   * resolves to until when it is valid. Servers are not read again: what was said is repeated.
   */
  renew(appliance: string): Promise<Date | undefined>;
  /** The peer id in the ids of the publisher's appliances. */
  readonly peerId: string;
  /** The id of the appliance `name` of this publisher. */
  applianceId(name: string): string;
  /** The versions whose publish has begun and not ended, in any process that shares `stateDir`. */
  inFlight(appliance: string): Promise<string[]>;
}

/** A version whose data servers may delete, with those the publisher had vouched for. */
export interface DeletableVersion {
  readonly version: string;
  readonly servers: readonly string[];
}

export function createPublisher(init: PublisherInit): Publisher {
  return new KeyedPublisher(init);
}

class KeyedPublisher implements Publisher {
  readonly #init: PublisherInit;
  readonly #writer: LatestWriter;
  readonly #endorsements: Endorsements;
  readonly #marks: PublishMarks;
  readonly #published: PublishedAppliances;
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(init: PublisherInit) {
    this.#init = init;
    this.#writer = new LatestWriter(init);
    this.#endorsements = new Endorsements(this.#writer, init.key);
    this.#marks = new PublishMarks(init.stateDir);
    this.#published = new PublishedAppliances(init.stateDir);
  }

  get peerId(): string {
    return this.#writer.mandate.publisher;
  }

  applianceId(name: string): string {
    return this.#writer.applianceId(name);
  }

  inFlight(appliance: string): Promise<string[]> {
    return this.#marks.list(appliance);
  }

  publish(request: PublishRequest): Promise<PublishReport> {
    return this.#inTurn(() => this.#publish(request));
  }

  async retire(appliance: string, versions: readonly string[]): Promise<void> {
    await this.#inTurn(() =>
      this.#writer.change(appliance, (latest) => retireVersions(latest, versions)),
    );
  }

  async restore(appliance: string, versions: readonly string[]): Promise<void> {
    await this.#inTurn(() =>
      this.#writer.change(appliance, (latest) => restoreVersions(latest, versions)),
    );
  }

  permitDeletion(appliance: string, versions: readonly string[]): Promise<DeletableVersion[]> {
    return this.#inTurn(() => this.#permitDeletion(appliance, versions));
  }

  moveChannels(appliance: string, moves: ChannelMoves): Promise<ChannelReport> {
    return this.#inTurn(() => moveChannels(this.#writer, appliance, moves));
  }

  renew(appliance: string): Promise<Date | undefined> {
    return this.#inTurn(() => this.#renew(appliance));
  }

  async #publish(request: PublishRequest): Promise<PublishReport> {
    const { version, servers } = request;
    const appliance = this.applianceId(request.name);
    checkVersion(version);
    if (servers.length === 0) {
      throw new RegistryError('NO_SERVERS', `no server given for ${appliance} ${version}`);
    }
    if (this.#init.node.tables.isCutOff) {
      throw new RegistryError(
        'REGISTRY_UNREACHABLE',
        'no other registry node answers: nobody would see what is published now',
      );
    }
    const before = await this.#writer.newest(appliance);
    this.#writer.checkKey(before);
    checkSameImage(before?.payload, request);
    const interrupted = (await this.#marks.list(appliance)).includes(version);
    await this.#marks.set(appliance, version);
    try {
      // Before servers are verified: one that was verified after this does not delete the version.
      await this.#reclaim(appliance, version);
      await Promise.all(servers.map((address) => this.#verify(address, version)));
    } catch (error) {
      // Nothing was announced by this attempt; an earlier one may have.
      if (!interrupted) await this.#marks.clear(appliance, version);
      throw error;
    }
    const now = this.#init.node.clock.now();
    const validUntil = now + (request.validForSeconds ?? DEFAULT_VALIDITY_SECONDS) * 1000;
    await this.#endorsements.endorse(appliance, version, servers, validUntil);

    const base = await this.#writer.newest(appliance);
    if (base !== undefined && isDeletable(base.payload, version)) {
      throw new RegistryError(
        'PLAN_CHANGED',
        `a gc let servers delete ${version} while it was published: publish it again`,
      );
    }
    const next = nextLatest(base?.payload, appliance, request, now, validUntil);
    await this.#published.add(appliance);
    const { record, holders, replicas } = await this.#writer.writeAndReadBack(next, base);
    const named = servers.map(formatServerAddress);
    const withdrawn = (await this.#endorsements.list(appliance, version)).filter(
      ({ payload }) => !named.includes(payload.server),
    );
    await this.#endorsements.withdraw(withdrawn);
    await this.#marks.clear(appliance, version);
    return {
      appliance,
      version,
      seq: record.payload.seq,
      servers: named,
      withdrawn: withdrawn.map(({ payload }) => payload.server),
      holders,
      replicas,
      channels: channelsOf(record.payload),
      refreshed: base !== undefined && isSameChoice(base.payload, record.payload),
    };
  }

  async #renew(appliance: string): Promise<Date | undefined> {
    const { clock } = this.#init.node;
    const base = await this.#writer.newestPublished(appliance);
    if (!isDueForRenewal(base, clock.now())) return undefined;
    const validity = validityOf(base.payload, clock.now());
    for (const { version } of base.payload.history) {
      const endorsed = await this.#endorsements.list(appliance, version);
      const servers = endorsed.map(({ payload }) => payload.address);
      await this.#endorsements.endorse(appliance, version, servers, validity.validUntil);
    }
    const { record } = await this.#writer.writeAndReadBack({ ...base.payload, ...validity }, base);
    return new Date(record.payload.validUntil);
  }

  async #permitDeletion(
    appliance: string,
    versions: readonly string[],
  ): Promise<DeletableVersion[]> {
    let permitted: readonly string[] = [];
    await this.#writer.change(appliance, async (latest) => {
      // Marks are read after the record: a publish that ended in between makes this write fail, as
      // two records cannot have one seq.
      const inFlight = await this.inFlight(appliance);
      const retired = (latest.retired ?? []).map(({ version }) => version);
      permitted = versions.filter((each) => retired.includes(each) && !inFlight.includes(each));
      return permitDeletion(latest, permitted);
    });
    const deletable: DeletableVersion[] = [];
    for (const version of permitted) {
      const endorsed = await this.#endorsements.list(appliance, version);
      await this.#endorsements.withdraw(endorsed);
      deletable.push({ version, servers: endorsed.map(({ payload }) => payload.server) });
    }
    return deletable;
  }

  async #reclaim(appliance: string, version: string): Promise<void> {
    const newest = await this.#writer.newest(appliance);
    if (newest === undefined || !isDeletable(newest.payload, version)) return;
    await this.#writer.change(appliance, (latest) => reclaimVersion(latest, version));
  }

  async #verify(address: ServerAddress, version: string): Promise<void> {
    try {
      await this.#init.verifyServer(address, version);
    } catch (error) {
      throw new RegistryError(
        'SERVER_NOT_FETCHABLE',
        `${formatServerAddress(address)} does not serve ${version}, nothing was published: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  /** Two records of one number, by two processes with the key, would be taken for a forgery. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#lastChange.then(() => this.#alone(change));
    this.#lastChange = result.catch(() => undefined);
    return result;
  }

  async #alone<T>(change: () => Promise<T>): Promise<T> {
    const { stateDir } = this.#init;
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    try {
      const lock = join(stateDir, 'publisher.lock');
      return await withLockFile(lock, { patienceMs: PATIENCE_MS }, change);
    } catch (error) {
      if (!(error instanceof LockHeldError)) throw error;
      throw new RegistryError(
        'PUBLISHER_BUSY',
        `process ${error.pid} publishes with the same key, and has done so for ${PATIENCE_MS / 1000} s: try again when it has ended`,
        { cause: error },
      );
    }
  }
}

/** A version is one image for ever: what machines changed is only true over that one. */
function checkSameImage(base: Latest | undefined, { version, manifest }: PublishRequest): void {
  const held = base && knownVersion(base, version);
  if (held === undefined || digestText(held.manifest) === digestText(manifest)) return;
  throw new RegistryError(
    'ANOTHER_IMAGE',
    `version ${version} was published ${imageText(held.manifest)}, not ${imageText(manifest)}: publish this one under another version`,
  );
}

/** Also while it is retired: machines may run it still. */
function knownVersion(
  { history, retired = [] }: Latest,
  version: string,
): HistoryEntry | undefined {
  return [...history, ...retired].find((known) => known.version === version);
}

const digestText = (file: PublishedFile | null): string =>
  Buffer.from(file?.digest ?? []).toString('hex');
const imageText = (manifest: PublishedFile | null): string =>
  manifest === null ? 'without a manifest' : `with the manifest ${digestText(manifest)}`;

function nextLatest(
  base: Latest | undefined,
  appliance: string,
  { version, manifest, bootProfile, channels = [STABLE] }: PublishRequest,
  now: number,
  validUntil: number,
): LatestDraft {
  const history = base?.history ?? [];
  const held = base && knownVersion(base, version);
  const entry: HistoryEntry = {
    version,
    published: held?.published ?? now,
    manifest,
    bootProfile: bootProfile === undefined ? (held?.bootProfile ?? null) : bootProfile,
  };
  const rest = history.filter((kept) => kept.version !== version);
  const retired = (base?.retired ?? []).filter((each) => each.version !== version);
  if (rest.length + retired.length >= MAX_HISTORY) {
    throw new RegistryError(
      'QUOTA_EXCEEDED',
      `${appliance} keeps ${MAX_HISTORY} versions already: run "rowfs gc" first`,
    );
  }
  const moved = Object.fromEntries(channels.map((name) => [name, version]));
  const { [STABLE]: stable = base?.version ?? version, ...others } = {
    ...base?.channels,
    ...moved,
  };
  return {
    appliance,
    version: stable,
    channels: others,
    validUntil,
    history: [entry, ...rest],
    retired,
    deletable: base?.deletable ?? [],
  };
}

/** Whether both records point all channels at the same versions, of the same that are kept. */
function isSameChoice(a: Latest, b: Latest): boolean {
  const choice = (latest: Latest): string =>
    JSON.stringify([
      Object.entries(channelsOf(latest)).sort(),
      latest.history.map(({ version }) => version).sort(),
    ]);
  return choice(a) === choice(b);
}
