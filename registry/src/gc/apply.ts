import { sleep } from '../clock.ts';
import { messageOf, RegistryError } from '../errors.ts';
import type { RegistryNode } from '../node.ts';
import type { DeletableVersion, Publisher } from '../publisher.ts';
import { countSharers } from '../sharer-lease.ts';
import { planGc, versionsToDelete, versionsToRestore, type GcPlan, type GcPolicy } from './plan.ts';
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
  readonly deletable: readonly DeletableVersion[];
  /** Versions that somebody used while gc waited: they are back in the history. */
  readonly resurrected: readonly string[];
}

/**
 * Carries out a plan: takes the versions out of the history, waits one full lease TTL in which any
 * use brings a version back, and only then signs that servers may delete the data. Deletes none
 * itself. Interrupted by a crash, the next plan goes on with what is retired.
 *
 * @throws RegistryError PLAN_CHANGED when the world is no longer the one the plan was made for;
 *   any error of reading or writing the registry
 */
export async function applyGc(options: ApplyGcOptions): Promise<GcReport> {
  const { node, publisher, plan, policy, leaseTtlSeconds, signal } = options;
  const { appliance } = plan;
  const world = await readGcWorld(node, publisher, appliance);
  const fresh = planGc(world, policy);
  if (fresh.id !== plan.id) {
    throw new RegistryError(
      'PLAN_CHANGED',
      `the world is not the one of plan ${plan.id} any more (now ${fresh.id}): look at the new plan`,
    );
  }
  const restored = versionsToRestore(plan, world);
  if (restored.length > 0) await publisher.restore(appliance, restored);
  const versions = versionsToDelete(plan);
  if (versions.length === 0) return { deletable: [], resurrected: restored };

  let used: string[];
  try {
    await publisher.retire(appliance, versions);
    await sleep(node.clock, leaseTtlSeconds * 1000, signal);
    signal?.throwIfAborted();
    used = await usedAgain(options, versions);
    if (used.length > 0) await publisher.restore(appliance, used);
  } catch (error) {
    // In doubt nothing is deleted and nothing stays retired; what counts is why gc stopped.
    await publisher.restore(appliance, versions).catch((failure: unknown) => {
      node.logger.error({ appliance, versions, reason: messageOf(failure) }, 'not restored');
    });
    throw error;
  }
  // What was signed once, some server may have seen: a failure from here on restores nothing.
  const unused = versions.filter((version) => !used.includes(version));
  const deletable = await publisher.permitDeletion(appliance, unused);
  const permitted = deletable.map(({ version }) => version);
  return {
    deletable,
    resurrected: [
      ...restored,
      ...used,
      ...unused.filter((version) => !permitted.includes(version)),
    ],
  };
}

async function usedAgain(
  { node, publisher, plan }: ApplyGcOptions,
  retired: readonly string[],
): Promise<string[]> {
  const { appliance } = plan;
  const inFlight = await publisher.inFlight(appliance);
  const { record } = await node.tables.getLatest(appliance);
  const stillRetired = record?.payload.retired?.map(({ version }) => version);
  const used: string[] = [];
  for (const version of retired) {
    const { count, complete } = await countSharers(node, { appliance, version });
    // Published again meanwhile, or no record to be read: either way not definitely gone.
    const returned = stillRetired?.includes(version) !== true;
    if (count > 0 || !complete || inFlight.includes(version) || returned) used.push(version);
  }
  return used;
}
