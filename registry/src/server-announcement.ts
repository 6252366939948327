import { messageOf } from './errors.ts';
import { keepAlive } from './keep-alive.ts';
import type { RegistryNode } from './node.ts';
import type { Latest } from './records/latest.ts';
import type { ServerAddress } from './records/server-address.ts';
import { signServerEntry, type ServerEntry } from './records/server-entry.ts';
import type { VersionRef } from './sharer-lease.ts';

/** What a server of ours says about itself. */
export interface ServerAnnouncementOptions extends VersionRef {
  readonly address: ServerAddress;
  readonly holdings: 'full' | 'partial';
  /** How busy the server is, 0 to 100; asked at each refresh. */
  readonly load: () => number;
  readonly ttlSeconds: number;
  /** Called once when the publisher's newest record no longer lists a version it listed before. */
  readonly onRetired: (latest: Latest) => void;
}

/** An entry in the `servers` table that is kept alive until it is withdrawn. */
export interface ServerAnnouncement {
  /** When the registry last acknowledged it; undefined while it never did. */
  readonly acknowledgedAt: Date | undefined;
  /** Takes the server out of the table at once and stops announcing. */
  withdraw(): Promise<void>;
}

/**
 * Announces a server that this node runs, signed by the node's own key, and refreshes the entry at
 * half its TTL. A retired version goes on being announced until it is withdrawn: clients may use it.
 */
export async function announceServer(
  node: RegistryNode,
  options: ServerAnnouncementOptions,
): Promise<ServerAnnouncement> {
  const { appliance, version, address, holdings, load, ttlSeconds } = options;
  const { tables, clock, logger, identity } = node;
  let seq = 0;
  let acknowledgedAt: Date | undefined;
  let retired = false;

  const put = async (withdrawn: boolean): Promise<void> => {
    // The clock keeps the seq growing over restarts; the increment, when the clock goes back.
    seq = Math.max(seq + 1, clock.now());
    const entry: ServerEntry = {
      appliance,
      version,
      server: identity.peerId,
      address,
      holdings,
      load: Math.round(load()),
      seq,
      expires: clock.now() + ttlSeconds * 1000,
      withdrawn,
    };
    await tables.putServer(signServerEntry(entry, identity));
  };

  const watchRetirement = async (): Promise<void> => {
    if (retired) return;
    const { record } = await tables.getLatest(appliance);
    if (record === undefined) return;
    const key = `listed/${appliance}/${version}`;
    const listed = record.payload.history.some((kept) => kept.version === version);
    // A server may announce before the publisher does: absent counts only after present.
    if (listed) {
      if (node.store.get(key) === undefined) await node.store.put(key, new Uint8Array());
    } else if (node.store.get(key) !== undefined) {
      retired = true;
      options.onRetired(record.payload);
    }
  };

  const first = Promise.withResolvers<undefined>();
  const alive = keepAlive(
    clock,
    async () => {
      await put(false);
      acknowledgedAt = new Date(clock.now());
      await watchRetirement();
      first.resolve(undefined);
      return (ttlSeconds * 1000) / 2;
    },
    (error) => {
      logger.warn({ appliance, version, reason: messageOf(error) }, 'server not announced');
      first.resolve(undefined);
    },
  );
  await first.promise;
  return {
    get acknowledgedAt() {
      return acknowledgedAt;
    },
    async withdraw() {
      await alive.stop();
      try {
        await put(true);
      } catch (error) {
        // The entry expires by itself within one TTL.
        logger.warn({ appliance, version, reason: messageOf(error) }, 'server not withdrawn');
      }
    },
  };
}
