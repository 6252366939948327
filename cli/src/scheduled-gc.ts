import { statfs } from 'node:fs/promises';
import {
  createPublisher,
  type GcSchedule,
  isOf,
  type Mandate,
  type RegistryNode,
  scheduleGc,
} from '@rowfs/registry';
import type { CommandContext } from './command-context.ts';
import { CliError, lineOf } from './errors.ts';
import { loadPublisherKey } from './publisher-key.ts';
import { verifyExport } from './verify-export.ts';

export interface ScheduledGcOptions {
  readonly gcEvery?: number;
  readonly gcBelow?: number;
  readonly gcKeep: number;
  readonly gcGrace: number;
  readonly gcPin: readonly string[];
  readonly gcLease: number;
}

/**
 * Runs gc again and again, as the options say; undefined if they say nothing.
 *
 * @throws CliError NOT_PUBLISHER for an appliance of somebody else; RegistryError KEY_UNREADABLE
 */
export async function startScheduledGc(
  context: CommandContext,
  node: RegistryNode,
  appliance: string,
  directory: string,
  { gcEvery, gcBelow, gcKeep, gcGrace, gcPin, gcLease }: ScheduledGcOptions,
): Promise<GcSchedule | undefined> {
  if (gcEvery === undefined && gcBelow === undefined) return undefined;
  const { logger } = context;
  const { key, mandate } = await loadPublisherKey(context);
  checkPublisher(appliance, mandate);
  return scheduleGc({
    node,
    publisher: createPublisher({
      node,
      key,
      mandate,
      stateDir: context.state,
      verifyServer: verifyExport,
    }),
    appliance,
    policy: { keep: gcKeep, graceSeconds: gcGrace, pins: gcPin },
    leaseTtlSeconds: gcLease,
    everySeconds: gcEvery,
    pressure:
      gcBelow === undefined
        ? undefined
        : { belowBytes: gcBelow, freeBytes: () => freeBytesOf(directory) },
    onDone({ occasion, plan, deletable, resurrected }) {
      const gone = deletable.map(({ version }) => version);
      logger.info({ appliance, occasion, plan: plan.id, gone, resurrected }, 'gc');
    },
    onError: (error) => logger.warn({ appliance, reason: lineOf(error) }, 'gc gave up'),
  });
}

/** @throws CliError NOT_PUBLISHER */
export function checkPublisher(appliance: string, mandate: Mandate): void {
  if (isOf(mandate, appliance)) return;
  throw new CliError('NOT_PUBLISHER', `${appliance} is not yours: only its publisher collects it`);
}

async function freeBytesOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}
