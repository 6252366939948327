import { sleep } from '../clock.ts';
import { applyGc, type ApplyGcOptions, type GcReport } from './apply.ts';
import { planGc, type GcPlan } from './plan.ts';
import { readGcWorld } from './world.ts';

/** How often the disk is looked at. */
const LOOK_INTERVAL_MS = 60_000;
/** After a gc for want of space the next one waits this long: deleting takes its time. */
const PRESSURE_INTERVAL_MS = 10 * 60_000;

/** Why a scheduled gc ran. */
export type GcOccasion = 'DUE' | 'DISK_PRESSURE';

/** What one scheduled gc did. */
export interface ScheduledGc extends GcReport {
  readonly occasion: GcOccasion;
  readonly plan: GcPlan;
}

export interface GcScheduleOptions extends Omit<ApplyGcOptions, 'plan' | 'signal'> {
  readonly appliance: string;
  /** Undefined: only for want of space. */
  readonly everySeconds?: number | undefined;
  /**
   * A gc is also run, and without grace, while the disk has less than `belowBytes` free. What is
   * pinned, in use or among the newest is kept all the same.
   */
  readonly pressure?:
    { readonly belowBytes: number; readonly freeBytes: () => Promise<number> } | undefined;
  readonly onDone: (done: ScheduledGc) => void;
  /** The next one is tried all the same. */
  readonly onError: (error: unknown) => void;
}

/** Gcs of one appliance, again and again. */
export interface GcSchedule {
  /** Ends a gc that waits, restoring what it retired, and resolves when none runs. */
  stop(): Promise<void>;
}

/** Runs gc when it is due and when space is short. The first is due one interval after the start. */
export function scheduleGc(options: GcScheduleOptions): GcSchedule {
  const { clock } = options.node;
  const stopped = new AbortController();
  const isStopped = (): boolean => stopped.signal.aborted;
  const intervalMs = (options.everySeconds ?? Infinity) * 1000;

  const run = async (): Promise<void> => {
    let due = clock.now() + intervalMs;
    let pressureHeeded = clock.now();
    while (!isStopped()) {
      await sleep(clock, Math.min(LOOK_INTERVAL_MS, intervalMs), stopped.signal);
      if (isStopped()) return;
      try {
        const isShort = clock.now() >= pressureHeeded && (await isSpaceShort(options.pressure));
        if (clock.now() < due && !isShort) continue;
        due = clock.now() + intervalMs;
        if (isShort) pressureHeeded = clock.now() + PRESSURE_INTERVAL_MS;
        options.onDone(await collect(options, isShort ? 'DISK_PRESSURE' : 'DUE', stopped.signal));
      } catch (error) {
        if (!isStopped()) options.onError(error);
      }
    }
  };
  const running = run();
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}

async function isSpaceShort(pressure: GcScheduleOptions['pressure']): Promise<boolean> {
  return pressure !== undefined && (await pressure.freeBytes()) < pressure.belowBytes;
}

async function collect(
  options: GcScheduleOptions,
  occasion: GcOccasion,
  signal: AbortSignal,
): Promise<ScheduledGc> {
  const { node, publisher, appliance } = options;
  const policy =
    occasion === 'DISK_PRESSURE' ? { ...options.policy, graceSeconds: 0 } : options.policy;
  const plan = planGc(await readGcWorld(node, publisher, appliance), policy);
  const report = await applyGc({ ...options, plan, policy, signal });
  return { occasion, plan, ...report };
}
