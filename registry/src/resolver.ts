import { createHash } from 'node:crypto';
import { z } from 'zod';
import { checkVersion, parseApplianceId } from './appliance-id.ts';
import { RegistryError } from './errors.ts';
import type { RegistryNode } from './node.ts';
import { channelsOf, keptVersion, STABLE } from './records/latest.ts';
import type { HistoryEntry, Latest, PublishedFile, SignedLatest } from './records/latest.ts';
import { formatServerAddress, type ServerAddress } from './records/server-address.ts';
import { isEndorsed, validateServerEntry, type SignedServerEntry } from './records/server-entry.ts';
import { decodeCbor, encodeCbor, sameBytes } from './records/signed-record.ts';

/** One server of a resolved version. */
export interface ResolvedServer {
  /** The peer id of a server that speaks for itself, or the address the publisher vouches for. */
  readonly server: string;
  readonly address: ServerAddress;
  readonly holdings: 'full' | 'partial';
  /** 0 to 100, by the server's own word. */
  readonly load: number;
  /** Whether the publisher vouches for it. */
  readonly endorsed: boolean;
}

/** What an appliance id stands for now. */
export interface Resolution {
  readonly appliance: string;
  readonly version: string;
  /** Digest and size of its manifest and of its boot profile, as signed; null where it has none. */
  readonly manifest: PublishedFile | null;
  readonly bootProfile: PublishedFile | null;
  readonly latest: Latest;
  /** Best first: endorsed, then full holdings, then the least loaded. */
  readonly servers: readonly ResolvedServer[];
  /** Set when this is an older answer: the time up to which it is known to have been true. */
  readonly staleSince?: Date;
}

export interface ResolveOptions {
  /** This version instead of the channel's; it must still be kept by the publisher. */
  readonly version?: string;
  /** The version this channel of the appliance points at, e.g. `beta`; `stable` if not given. */
  readonly channel?: string;
  /** Pins the image: the version whose manifest has this digest, and with `version` nothing but it. */
  readonly manifest?: Uint8Array;
}

/** What an appliance's publisher says. */
export interface NewestRecord {
  readonly latest: Latest;
  /** As in `Resolution`. */
  readonly staleSince?: Date;
}

/** Finds versions and servers through the DHT. */
export interface Resolver {
  /**
   * The newest record alone, whether or not any server has a version of it.
   *
   * @throws as `resolve`, but for VERSION_NOT_FOUND and NO_SERVERS
   */
  latest(appliance: string): Promise<NewestRecord>;
  /**
   * @throws RegistryError APPLIANCE_NOT_FOUND (nobody has published it), VERSION_NOT_FOUND,
   *   NO_SERVERS, REGISTRY_UNREACHABLE (and there is no earlier answer), INVALID_APPLIANCE_ID,
   *   KEY_REVOKED (nothing of this publisher is to be run any more), ANOTHER_IMAGE (not as pinned)
   * @throws RecordRefusal when only unacceptable records were found
   */
  resolve(appliance: string, options?: ResolveOptions): Promise<Resolution>;
}

/**
 * A resolver that keeps its last good answers in the node's store: with the DHT gone, or with
 * nodes that only tell old records, it answers from there and says since when that is stale.
 */
export function createResolver(node: RegistryNode): Resolver {
  return {
    async latest(appliance) {
      parseApplianceId(appliance);
      return currentLatest(node, appliance);
    },
    async resolve(appliance, options = {}) {
      parseApplianceId(appliance);
      if (options.version !== undefined) checkVersion(options.version);
      const current = await currentLatest(node, appliance);
      const { version, manifest, bootProfile } = chooseVersion(current.latest, options);
      const found = await currentServers(node, appliance, version);
      const stale = [current.staleSince, found.staleSince].filter((date) => date !== undefined);
      const oldest = Math.min(...stale.map((date) => date.getTime()));
      return {
        appliance,
        version,
        manifest,
        bootProfile,
        latest: current.latest,
        servers: rank(found.entries, node.peerId),
        ...(stale.length === 0 ? {} : { staleSince: new Date(oldest) }),
      };
    },
  };
}

async function currentLatest(node: RegistryNode, appliance: string): Promise<NewestRecord> {
  const { tables, store, clock } = node;
  const confirmedKey = `confirmed/${appliance}`;
  let failure: RegistryError;
  try {
    const { record, refusals } = await tables.getLatest(appliance);
    if (record !== undefined) {
      checkNotRevoked(record);
      await store.put(confirmedKey, encodeCbor(clock.now()));
      return { latest: record.payload };
    }
    failure = refusals[0] ?? notFound(node, appliance);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    failure = error;
  }
  const seen = tables.newestSeen(appliance);
  if (seen === undefined || failure.code === 'KEY_REVOKED') throw failure;
  checkNotRevoked(seen);
  const confirmed = store.get(confirmedKey);
  const staleSince =
    confirmed === undefined ? seen.payload.published : z.number().parse(decodeCbor(confirmed));
  node.logger.warn(
    { appliance, reason: failure.message, staleSince: new Date(staleSince) },
    'answered from the last good answer',
  );
  return { latest: seen.payload, staleSince: new Date(staleSince) };
}

function notFound(node: RegistryNode, appliance: string): RegistryError {
  // One cut-off node knows nothing about what exists.
  return node.tables.isCutOff
    ? new RegistryError('REGISTRY_UNREACHABLE', 'no other registry node answers')
    : new RegistryError(
        'APPLIANCE_NOT_FOUND',
        `nobody has published ${appliance}: check the id with its publisher`,
      );
}

/** @throws RegistryError KEY_REVOKED: who had the key may have signed anything, at any time. */
function checkNotRevoked({ payload, revokedAt }: SignedLatest): void {
  if (revokedAt === undefined) return;
  throw new RegistryError(
    'KEY_REVOKED',
    `the key of ${payload.appliance} was revoked ${new Date(revokedAt).toISOString()}: ask its publisher for the new id`,
  );
}

function chooseVersion(latest: Latest, options: ResolveOptions): HistoryEntry {
  const { manifest } = options;
  if (manifest === undefined) return namedVersion(latest, options);
  const isPinned = (kept: HistoryEntry): boolean =>
    kept.manifest !== null && sameBytes(kept.manifest.digest, manifest);
  const { version, channel } = options;
  const kept =
    version === undefined && channel === undefined
      ? latest.history.find(isPinned)
      : namedVersion(latest, options);
  if (kept !== undefined && isPinned(kept)) return kept;
  const digest = Buffer.from(manifest).toString('hex');
  throw kept === undefined
    ? new RegistryError('VERSION_NOT_FOUND', `${latest.appliance} has no image ${digest}`)
    : new RegistryError(
        'ANOTHER_IMAGE',
        `${latest.appliance} ${kept.version} is not the image ${digest}: nothing else was to be run`,
      );
}

function namedVersion(latest: Latest, { version, channel = STABLE }: ResolveOptions): HistoryEntry {
  const channels = channelsOf(latest);
  const wanted = version ?? channels[channel];
  if (wanted === undefined) {
    throw new RegistryError(
      'VERSION_NOT_FOUND',
      `${latest.appliance} has no channel "${channel}"; it has ${Object.keys(channels).join(', ')}`,
    );
  }
  const kept = keptVersion(latest, wanted);
  if (kept === undefined) {
    throw new RegistryError(
      'VERSION_NOT_FOUND',
      `${latest.appliance} has no version ${wanted}; it has ${latest.history.map((each) => each.version).join(', ')}`,
    );
  }
  return kept;
}

interface CurrentServers {
  entries: readonly SignedServerEntry[];
  staleSince?: Date;
}

const keptServersSchema = z.tuple([
  z.number(),
  z.array(z.instanceof(Uint8Array) as z.ZodType<Uint8Array>),
]);

async function currentServers(
  node: RegistryNode,
  appliance: string,
  version: string,
): Promise<CurrentServers> {
  const { tables, store, clock } = node;
  const key = `servers-of/${appliance}/${version}`;
  let failure = new RegistryError(
    'NO_SERVERS',
    `no server has ${appliance} ${version} now: ask its publisher to publish again, or start "rowfs serve"`,
  );
  try {
    const { entries } = await tables.getServers(appliance, version);
    if (entries.length > 0) {
      await store.put(key, encodeCbor([clock.now(), entries.map(({ bytes }) => bytes)]));
      return { entries };
    }
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    failure = error;
  }
  const kept = store.get(key);
  if (kept === undefined) throw failure;
  const [at, records] = keptServersSchema.parse(decodeCbor(kept));
  // Judged at the time they were good: an old address may still work, and nothing better is known.
  const entries = records.map((bytes) =>
    validateServerEntry(bytes, { appliance, version, now: at }),
  );
  return { entries, staleSince: new Date(at) };
}

function rank(entries: readonly SignedServerEntry[], client: string): ResolvedServer[] {
  const byAddress = new Map<string, ResolvedServer>();
  for (const entry of entries) {
    const { server, address, holdings, load } = entry.payload;
    const candidate = { server, address, holdings, load, endorsed: isEndorsed(entry) };
    const name = formatServerAddress(address);
    const held = byAddress.get(name);
    // One server may speak for itself and be vouched for too.
    byAddress.set(name, held === undefined ? candidate : merge(held, candidate));
  }
  return [...byAddress.values()].sort(
    (a, b) =>
      Number(b.endorsed) - Number(a.endorsed) ||
      Number(b.holdings === 'full') - Number(a.holdings === 'full') ||
      a.load - b.load ||
      // Among equals each client has its own order, so that a rack does not boot from one server.
      spread(client, a).localeCompare(spread(client, b)),
  );
}

function merge(a: ResolvedServer, b: ResolvedServer): ResolvedServer {
  const own = a.server === formatServerAddress(a.address) ? b : a;
  return { ...own, endorsed: a.endorsed || b.endorsed };
}

function spread(client: string, { server }: ResolvedServer): string {
  return createHash('sha256').update(`${client}\0${server}`).digest('hex');
}
