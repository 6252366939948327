import { randomBytes } from 'node:crypto';
import { messageOf, RegistryError } from './errors.ts';
import { keepAlive } from './keep-alive.ts';
import type { RegistryNode } from './node.ts';
import type { Peer } from './protocol/messages.ts';
import type { SharersRead } from './tables.ts';

/** Which version of which appliance. */
export interface VersionRef {
  /** `NAME@PEERID` */
  readonly appliance: string;
  readonly version: string;
}

/** A lease that is kept alive until it is released. */
export interface SharerLease {
  /** When the registry last acknowledged it; undefined while it never did. */
  readonly acknowledgedAt: Date | undefined;
  /** Ends the lease at once, so that the version no longer counts as used here. */
  release(): Promise<void>;
}

/**
 * Counts this node as a sharer of a version: refreshed at half the TTL, so it ends at most
 * `ttlSeconds` after this process dies. With the registry unreachable it keeps trying: a mounted
 * image goes on working.
 */
export async function holdLease(
  node: RegistryNode,
  options: VersionRef & { readonly ttlSeconds: number },
): Promise<SharerLease> {
  const { appliance, version, ttlSeconds } = options;
  const lease = randomBytes(9).toString('base64url');
  const { tables, clock, logger } = node;
  let acknowledgedAt: Date | undefined;
  let holders: readonly Peer[] = [];
  /** Why it is not refreshed now, which is said once. */
  let failure: string | undefined;
  const first = Promise.withResolvers<undefined>();
  const alive = keepAlive(
    clock,
    async () => {
      const grant = await tables.putLease({ appliance, version, lease, ttlSeconds });
      holders = grant.holders;
      acknowledgedAt = new Date(clock.now());
      if (failure !== undefined)
        logger.info({ appliance, version }, 'sharer lease refreshed again');
      failure = undefined;
      first.resolve(undefined);
      return grant.refreshSeconds * 1000;
    },
    (error) => {
      const reason = messageOf(error);
      const level = reason === failure ? 'debug' : 'warn';
      failure = reason;
      logger[level]({ appliance, version, reason }, 'sharer lease not refreshed');
      first.resolve(undefined);
    },
  );
  // The caller goes on once the lease is held, or once it is known that it cannot be held now.
  await first.promise;
  return {
    get acknowledgedAt() {
      return acknowledgedAt;
    },
    async release() {
      await alive.stop();
      try {
        await tables.releaseLease({ appliance, version, lease }, holders);
      } catch (error) {
        // It ends by itself within one TTL.
        logger.warn({ appliance, version, reason: messageOf(error) }, 'sharer lease not released');
      }
    },
  };
}

/**
 * Who uses a version. `complete: false` says that too few nodes answered to rule out more: whoever
 * is about to delete must then treat the version as in use. Never throws for an unreachable registry.
 */
export async function countSharers(node: RegistryNode, ref: VersionRef): Promise<SharersRead> {
  try {
    return await node.tables.getSharers(ref.appliance, ref.version);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    node.logger.warn({ ...ref, reason: error.message }, 'sharers cannot be counted');
    return { count: 0, exact: false, sharers: [], complete: false };
  }
}
