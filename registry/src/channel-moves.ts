import { RegistryError } from './errors.ts';
import type { LatestWriter } from './latest-writer.ts';
import { channelsOf, keptVersion, STABLE, type Latest } from './records/latest.ts';
import { validityOf } from './records/validity.ts';

/** Where channels are to point: channel -> version; null takes a channel away. */
export type ChannelMoves = Readonly<Record<string, string | null>>;

/** What a move of channels did. */
export interface ChannelReport {
  readonly appliance: string;
  /** Of the `latest` record that was written; of the one there was, when nothing had to move. */
  readonly seq: number;
  /** `stable` among them. */
  readonly channels: Readonly<Record<string, string>>;
  /** What each of the moved channels pointed at before; null: it is new. */
  readonly before: Readonly<Record<string, string | null>>;
}

/**
 * Points channels at versions that are kept, in a new record with a higher sequence number: going
 * back to an old version is a step forward like any other.
 *
 * @throws RegistryError APPLIANCE_NOT_FOUND, VERSION_NOT_FOUND, INVALID_CHANNEL, NO_SERVERS
 *   (nobody serves the version: nothing is announced that cannot be fetched), REPLICATION_FLOOR, ...
 */
export async function moveChannels(
  writer: LatestWriter,
  appliance: string,
  moves: ChannelMoves,
): Promise<ChannelReport> {
  const base = await writer.newestPublished(appliance);
  const held = channelsOf(base.payload);
  const next = new Map(Object.entries(held));
  for (const [channel, version] of Object.entries(moves)) {
    if (version === null) {
      checkRemovable(base.payload, channel);
      next.delete(channel);
    } else {
      await checkServed(writer, base.payload, version);
      next.set(channel, version);
    }
  }
  const before = Object.fromEntries(Object.keys(moves).map((name) => [name, held[name] ?? null]));
  const all = Object.fromEntries(next);
  if (sameChannels(held, all)) {
    return { appliance, seq: base.payload.seq, channels: held, before };
  }
  const { [STABLE]: version = base.payload.version, ...channels } = all;
  const { record } = await writer.writeAndReadBack(
    { ...base.payload, version, channels, ...validityOf(base.payload, writer.node.clock.now()) },
    base,
  );
  return { appliance, seq: record.payload.seq, channels: all, before };
}

/** The version to go back to from `version`: the newest of those that were published before it. */
export function versionBefore({ history }: Latest, version: string): string | undefined {
  const current = history.find((kept) => kept.version === version);
  const older = history.filter(
    (kept) => current !== undefined && kept.published < current.published,
  );
  return older.sort((a, b) => b.published - a.published)[0]?.version;
}

async function checkServed({ node }: LatestWriter, latest: Latest, version: string): Promise<void> {
  const { appliance } = latest;
  if (keptVersion(latest, version) === undefined) {
    throw new RegistryError(
      'VERSION_NOT_FOUND',
      `${appliance} has no version ${version}; it has ${latest.history.map((each) => each.version).join(', ')}`,
    );
  }
  const { entries } = await node.tables.getServers(appliance, version);
  if (entries.length > 0) return;
  throw new RegistryError(
    'NO_SERVERS',
    `no server has ${appliance} ${version} now: publish it again before a channel points at it`,
  );
}

function checkRemovable({ appliance, channels }: Latest, channel: string): void {
  if (channel === STABLE) {
    throw new RegistryError(
      'INVALID_CHANNEL',
      `${STABLE} is what machines run that were told no channel: point it at another version`,
    );
  }
  if (channels[channel] !== undefined) return;
  throw new RegistryError('INVALID_CHANNEL', `${appliance} has no channel ${channel}`);
}

function sameChannels(a: Record<string, string>, b: Record<string, string>): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => a[name] === b[name]);
}
