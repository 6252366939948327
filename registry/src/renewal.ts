import { keepAlive, type KeepAlive } from './keep-alive.ts';
import { messageOf } from './errors.ts';
import type { RegistryNode } from './node.ts';
import type { Publisher } from './publisher.ts';

/** How often a publisher's node looks whether something must be signed again. */
const LOOK_INTERVAL_MS = 3600_000;

/** Whose signature keeps which appliances fresh. */
export interface ToRenew {
  /** Undefined: there is no key here, and so nothing to renew. */
  readonly publisher?: Publisher;
  readonly appliances: readonly string[];
}

/**
 * Keeps what was published fresh for as long as this runs: whatever has passed half of its validity
 * is signed again. `toRenew` is asked each time.
 */
export function keepRenewed(
  { clock, logger }: Pick<RegistryNode, 'clock' | 'logger'>,
  toRenew: () => Promise<ToRenew>,
): KeepAlive {
  return keepAlive(
    clock,
    async () => {
      const { publisher, appliances } = await toRenew();
      for (const appliance of appliances) {
        const validUntil = await publisher?.renew(appliance).catch((error: unknown) => {
          logger.warn({ appliance, reason: messageOf(error) }, 'not renewed');
          return undefined;
        });
        if (validUntil !== undefined) logger.info({ appliance, validUntil }, 'renewed');
      }
      return LOOK_INTERVAL_MS;
    },
    (error) => logger.warn({ reason: messageOf(error) }, 'nothing renewed'),
  );
}
