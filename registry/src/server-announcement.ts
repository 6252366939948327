import { messageOf } from './errors.ts';
import { keepAlive } from './keep-alive.ts';
import type { RegistryNode } from './node.ts';
import { isDeletable } from './gc/retirement.ts';
import { keptVersion } from './records/latest.ts';
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
  /**
   * Called at each refresh while the publisher's newest record, which listed the version before, says
   * that its data may be deleted. Not waited for.
   */
  readonly onDeletable: () => void;
}

/** An entry in the `servers` table that is kept alive until it is withdrawn. */
export interface ServerAnnouncement {
  /** When the registry last acknowledged it; undefined while it never did. */
  readonly acknowledgedAt: Date | undefined;
  /** Takes the server out of the table at once and stops announcing. */
  withdraw(): Promise<void>;
  /** As `withdraw`, and tells that the data was deleted, with the bytes that are free again. */
  withdrawDeleted(freedBytes: number): Promise<void>;
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
  const listedKey = `listed/${appliance}/${version}`;

  const put = async (state: Pick<ServerEntry, 'withdrawn' | 'freedBytes'>): Promise<void> => {
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
      ...state,
    };
    await tables.putServer(signServerEntry(entry, identity));
  };

  const watchRetirement = async (): Promise<void> => {
    const { record } = await tables.getLatest(appliance);
    if (record === undefined) return;
    // A server may announce what is not published yet, or anew: it belongs to no earlier deletion.
    const wasListed = node.store.get(listedKey) !== undefined;
    if (wasListed && isDeletable(record.payload, version)) options.onDeletable();
    if (!wasListed && keptVersion(record.payload, version) !== undefined) {
      await node.store.put(listedKey, new Uint8Array());
    }
  };

  const first = Promise.withResolvers<undefined>();
  const alive = keepAlive(
    clock,
    async () => {
      try {
        await put({ withdrawn: false });
        acknowledgedAt = new Date(clock.now());
      } finally {
        // Whose entry is refused, as that of a clock far off is, learns of its retirement all the same.
        await watchRetirement().catch((error: unknown) =>
          logger.warn({ appliance, version, reason: messageOf(error) }, 'latest record not read'),
        );
      }
      first.resolve(undefined);
      return (ttlSeconds * 1000) / 2;
    },
    (error) => {
      logger.warn({ appliance, version, reason: messageOf(error) }, 'server not announced');
      first.resolve(undefined);
    },
  );
  await first.promise;

  const withdraw = async (state: { readonly freedBytes?: number }): Promise<void> => {
    await alive.stop();
    try {
      await put({ withdrawn: true, ...state });
    } catch (error) {
      // The entry expires by itself within one TTL.
      logger.warn({ appliance, version, reason: messageOf(error) }, 'server not withdrawn');
    }
  };
  return {
    get acknowledgedAt() {
      return acknowledgedAt;
    },
    withdraw: () => withdraw({}),
    async withdrawDeleted(freedBytes) {
      await node.store.remove(listedKey);
      await withdraw({ freedBytes });
    },
  };
}
