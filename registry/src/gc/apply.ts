import { sleep } from '../clock.ts';
import { messageOf, RegistryError } from '../errors.ts';
import type { RegistryNode } from '../node.ts';
import type { Publisher, RetiredVersion } from '../publisher.ts';
import { formatServerAddress } from '../records/server-address.ts';
import { countSharers } from '../sharer-lease.ts';
import { planGc, versionsToDelete, type GcPlan, type GcPolicy } from './plan.ts';
import { readGcWorld } from './world.ts';

export interface ApplyGcOptions {
  readonly node: RegistryNode;
  readonly publisher: Publisher;
  /** The plan that was shown and agreed to. */
  readonly plan: GcPlan;
  readonly policy: GcPolicy;
  /** The sharers' lease TTL: a client unheard of for this long is gone. */
  readonly leaseTtlSeconds: number;
  /** Ends the waiting early; the versions are then restored. */
  readonly signal?: AbortSignal;
}

export interface GcReport {
  /** Versions whose data may now be deleted, with the servers the publisher had vouched for. */
  readonly deletable: readonly { readonly version: string; readonly servers: readonly string[] }[];
  /** Versions that somebody used while gc waited: they are back in the history. */
  readonly resurrected: readonly string[];
}

/**
 * Carries out a plan: takes the versions out of the history, waits one full lease TTL in which any
 * use brings a version back, and only then reports its data as deletable. Deletes no data itself.
 *
 * @throws RegistryError PLAN_CHANGED when the world is no longer the one the plan was made for;
 *   any error of reading or writing the registry, with nothing reported deletable
 */
export async function applyGc(options: ApplyGcOptions): Promise<GcReport> {
  const { node, publisher, plan, policy, leaseTtlSeconds, signal } = options;
  const { appliance } = plan;
  const fresh = planGc(await readGcWorld(node, publisher, appliance), policy);
  if (fresh.id !== plan.id) {
    throw new RegistryError(
      'PLAN_CHANGED',
      `the world is not the one of plan ${plan.id} any more (now ${fresh.id}): look at the new plan`,
    );
  }
  const versions = versionsToDelete(plan);
  if (versions.length === 0) return { deletable: [], resurrected: [] };

  const retired = await publisher.retire(appliance, versions);
  try {
    await sleep(node.clock, leaseTtlSeconds * 1000, signal);
    signal?.throwIfAborted();
    const used = await usedAgain(options, retired);
    if (used.length > 0) await publisher.restore(appliance, used);
    return {
      deletable: retired
        .filter((version) => !used.includes(version))
        .map(({ entry, servers }) => ({
          version: entry.version,
          servers: servers.map(formatServerAddress),
        })),
      resurrected: used.map(({ entry }) => entry.version),
    };
  } catch (error) {
    // In doubt nothing was deleted and nothing stays retired; what counts is why gc stopped.
    await publisher.restore(appliance, retired).catch((failure: unknown) => {
      node.logger.error({ appliance, versions, reason: messageOf(failure) }, 'not restored');
    });
    throw error;
  }
}

async function usedAgain(
  { node, publisher, plan }: ApplyGcOptions,
  retired: readonly RetiredVersion[],
): Promise<RetiredVersion[]> {
  const { appliance } = plan;
  const inFlight = await publisher.inFlight(appliance);
  const { record } = await node.tables.getLatest(appliance);
  const history = record?.payload.history.map(({ version }) => version);
  const used: RetiredVersion[] = [];
  for (const candidate of retired) {
    const { version } = candidate.entry;
    const { count, complete } = await countSharers(node, { appliance, version });
    // Published again meanwhile, or no record to be read: either way not definitely gone.
    const listed = history?.includes(version) ?? true;
    if (count > 0 || !complete || inFlight.includes(version) || listed) used.push(candidate);
  }
  return used;
}
