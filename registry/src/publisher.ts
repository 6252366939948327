import { checkVersion, formatApplianceId } from './appliance-id.ts';
import { messageOf, RegistryError } from './errors.ts';
import type { Identity } from './identity.ts';
import type { RegistryNode } from './node.ts';
import { PublishMarks } from './publish-marks.ts';
import { keptVersion, MAX_HISTORY, signLatest } from './records/latest.ts';
import type { HistoryEntry, Latest, SignedLatest } from './records/latest.ts';
import { formatServerAddress, type ServerAddress } from './records/server-address.ts';
import { isEndorsed, signServerEntry, type SignedServerEntry } from './records/server-entry.ts';
import type { HoldersRead } from './tables.ts';

/** On how many nodes a record must be found before the next step relies on it (fewer in smaller networks). */
export const REPLICATION_FLOOR = 3;
const DEFAULT_VALIDITY_SECONDS = 30 * 24 * 3600;

/** What a publisher works with. */
export interface PublisherInit {
  readonly node: RegistryNode;
  /** Names the appliances: `NAME@<peer id of this key>`. */
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
  /** The digest of the image's manifest. Null: a plain NFS export, which nobody can verify. */
  readonly manifest: Uint8Array | null;
  /** The digest of the boot profile; null takes one away, and without a word it stays as it is. */
  readonly bootProfile?: Uint8Array | null;
  /** Channels to move to this version, e.g. `["beta"]`. */
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
  /** True when the version was the newest already, and only its validity was prolonged. */
  readonly refreshed: boolean;
}

/** Signs for the appliances of one key. Its changes run one after the other. */
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
   * Takes versions out of the history and withdraws the servers the publisher vouched for.
   * Returns what was withdrawn, so that `restore` can undo it. The current version cannot be retired.
   */
  retire(appliance: string, versions: readonly string[]): Promise<RetiredVersion[]>;
  /** Puts retired versions back: a client turned up that uses them. */
  restore(appliance: string, retired: readonly RetiredVersion[]): Promise<void>;
  /** The publisher's peer id. */
  readonly peerId: string;
  /** The id of the appliance `name` of this publisher. */
  applianceId(name: string): string;
  /** The versions whose publish has begun and not ended, in any process that shares `stateDir`. */
  inFlight(appliance: string): Promise<string[]>;
}

/** A version that left the history, with what it takes to bring it back. */
export interface RetiredVersion {
  readonly entry: HistoryEntry;
  readonly servers: readonly ServerAddress[];
}

export function createPublisher(init: PublisherInit): Publisher {
  return new KeyedPublisher(init);
}

class KeyedPublisher implements Publisher {
  readonly #init: PublisherInit;
  readonly #marks: PublishMarks;
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(init: PublisherInit) {
    this.#init = init;
    this.#marks = new PublishMarks(init.stateDir);
  }

  get peerId(): string {
    return this.#init.key.peerId;
  }

  applianceId(name: string): string {
    return formatApplianceId({ name, publisher: this.peerId });
  }

  inFlight(appliance: string): Promise<string[]> {
    return this.#marks.list(appliance);
  }

  publish(request: PublishRequest): Promise<PublishReport> {
    return this.#inTurn(() => this.#publish(request));
  }

  retire(appliance: string, versions: readonly string[]): Promise<RetiredVersion[]> {
    return this.#inTurn(() => this.#retire(appliance, versions));
  }

  restore(appliance: string, retired: readonly RetiredVersion[]): Promise<void> {
    return this.#inTurn(() => this.#restore(appliance, retired));
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
    checkSameImage(await this.#newest(appliance), request);
    const interrupted = (await this.#marks.list(appliance)).includes(version);
    await this.#marks.set(appliance, version);
    try {
      await Promise.all(servers.map((address) => this.#verify(address, version)));
    } catch (error) {
      // Nothing was announced by this attempt; an earlier one may have.
      if (!interrupted) await this.#marks.clear(appliance, version);
      throw error;
    }
    const now = this.#init.node.clock.now();
    const validUntil = now + (request.validForSeconds ?? DEFAULT_VALIDITY_SECONDS) * 1000;
    await this.#endorse(appliance, version, servers, validUntil);

    const base = await this.#newest(appliance);
    const record = await this.#writeLatest(nextLatest(base, appliance, request, now, validUntil));
    const { holders, replicas } = await this.#readBack(`latest record of ${appliance}`, () =>
      this.#init.node.tables.countLatestHolders(record),
    );
    const named = servers.map(formatServerAddress);
    const withdrawn = (await this.#endorsedEntries(appliance, version)).filter(
      ({ payload }) => !named.includes(payload.server),
    );
    await this.#withdraw(withdrawn);
    await this.#marks.clear(appliance, version);
    return {
      appliance,
      version,
      seq: record.payload.seq,
      servers: named,
      withdrawn: withdrawn.map(({ payload }) => payload.server),
      holders,
      replicas,
      refreshed: base?.version === version,
    };
  }

  async #retire(appliance: string, versions: readonly string[]): Promise<RetiredVersion[]> {
    const base = await this.#newest(appliance);
    if (base === undefined) {
      throw new RegistryError('APPLIANCE_NOT_FOUND', `${appliance} was never published`);
    }
    if (versions.includes(base.version)) {
      throw new RegistryError(
        'VERSION_NOT_FOUND',
        `${base.version} is the current version of ${appliance}: publish another one first`,
      );
    }
    const leaving = base.history.filter(({ version }) => versions.includes(version));
    await this.#writeLatest({
      ...base,
      seq: base.seq + 1,
      channels: Object.fromEntries(
        Object.entries(base.channels).filter(([, version]) => !versions.includes(version)),
      ),
      history: base.history.filter(({ version }) => !versions.includes(version)),
    });
    const retired: RetiredVersion[] = [];
    for (const entry of leaving) {
      const endorsed = await this.#endorsedEntries(appliance, entry.version);
      await this.#withdraw(endorsed);
      retired.push({ entry, servers: endorsed.map(({ payload }) => payload.address) });
    }
    return retired;
  }

  async #restore(appliance: string, retired: readonly RetiredVersion[]): Promise<void> {
    const base = await this.#newest(appliance);
    if (base === undefined) {
      throw new RegistryError('APPLIANCE_NOT_FOUND', `${appliance} was never published`);
    }
    for (const { entry, servers } of retired) {
      if (servers.length > 0) {
        await this.#endorse(appliance, entry.version, servers, base.validUntil);
      }
    }
    const present = new Set(base.history.map(({ version }) => version));
    const returning = retired.map(({ entry }) => entry).filter((e) => !present.has(e.version));
    await this.#writeLatest({
      ...base,
      seq: base.seq + 1,
      history: [...base.history, ...returning].sort((a, b) => b.published - a.published),
    });
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

  /** Vouches for servers, and waits until the DHT really has each entry. */
  async #endorse(
    appliance: string,
    version: string,
    servers: readonly ServerAddress[],
    expires: number,
  ): Promise<void> {
    const { tables, clock } = this.#init.node;
    const { entries } = await tables.getServerRecords(appliance, version);
    for (const address of servers) {
      const server = formatServerAddress(address);
      const held = entries.find(({ payload }) => payload.server === server);
      const entry = signServerEntry(
        {
          appliance,
          version,
          server,
          address,
          holdings: 'full',
          load: 0,
          seq: Math.max((held?.payload.seq ?? 0) + 1, clock.now()),
          expires,
          withdrawn: false,
        },
        this.#init.key,
      );
      await tables.putServer(entry);
      await this.#readBack(`entry of server ${server}`, () => tables.countServerHolders(entry));
    }
  }

  async #withdraw(entries: readonly SignedServerEntry[]): Promise<void> {
    for (const { payload } of entries) {
      await this.#init.node.tables.putServer(
        signServerEntry({ ...payload, seq: payload.seq + 1, withdrawn: true }, this.#init.key),
      );
    }
  }

  async #endorsedEntries(appliance: string, version: string): Promise<SignedServerEntry[]> {
    const { entries } = await this.#init.node.tables.getServers(appliance, version);
    return entries.filter(
      (entry) =>
        isEndorsed(entry) && entry.payload.server === formatServerAddress(entry.payload.address),
    );
  }

  /** The record to build on: the newest of the DHT's and our own, which may be the only one left. */
  async #newest(appliance: string): Promise<Latest | undefined> {
    const { tables } = this.#init.node;
    const { record, expired } = await tables.getLatest(appliance);
    const known = [record, expired, tables.newestSeen(appliance)].filter((r) => r !== undefined);
    return known.sort((a, b) => b.payload.seq - a.payload.seq)[0]?.payload;
  }

  async #writeLatest(payload: Latest): Promise<SignedLatest> {
    const record = signLatest(payload, this.#init.key);
    await this.#init.node.tables.putLatest(record);
    return record;
  }

  async #readBack(what: string, count: () => Promise<HoldersRead>): Promise<HoldersRead> {
    const read = await count();
    const floor = Math.min(REPLICATION_FLOOR, read.replicas);
    if (read.holders < floor) {
      throw new RegistryError(
        'REPLICATION_FLOOR',
        `the ${what} was read back from ${read.holders} of ${read.replicas} nodes, ${floor} are needed: publish again`,
      );
    }
    return read;
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#lastChange.then(change);
    this.#lastChange = result.catch(() => undefined);
    return result;
  }
}

/** A version is one image for ever: what machines changed is only true over that one. */
function checkSameImage(base: Latest | undefined, { version, manifest }: PublishRequest): void {
  const held = base && keptVersion(base, version);
  if (held === undefined || digestText(held.manifest) === digestText(manifest)) return;
  throw new RegistryError(
    'ANOTHER_IMAGE',
    `version ${version} was published ${imageText(held.manifest)}, not ${imageText(manifest)}: publish this one under another version`,
  );
}

const digestText = (digest: Uint8Array | null): string => Buffer.from(digest ?? []).toString('hex');
const imageText = (manifest: Uint8Array | null): string =>
  manifest === null ? 'without a manifest' : `with the manifest ${digestText(manifest)}`;

function nextLatest(
  base: Latest | undefined,
  appliance: string,
  { version, manifest, bootProfile, channels = [] }: PublishRequest,
  now: number,
  validUntil: number,
): Latest {
  const history = base?.history ?? [];
  const held = base && keptVersion(base, version);
  const entry: HistoryEntry = {
    version,
    published: held?.published ?? now,
    manifest,
    bootProfile: bootProfile === undefined ? (held?.bootProfile ?? null) : bootProfile,
  };
  const others = history.filter((kept) => kept.version !== version);
  if (others.length >= MAX_HISTORY) {
    throw new RegistryError(
      'QUOTA_EXCEEDED',
      `${appliance} keeps ${MAX_HISTORY} versions already: run "rowfs gc" first`,
    );
  }
  return {
    appliance,
    seq: (base?.seq ?? 0) + 1,
    version,
    channels: { ...base?.channels, ...Object.fromEntries(channels.map((name) => [name, version])) },
    published: now,
    validUntil,
    history: [entry, ...others],
  };
}
