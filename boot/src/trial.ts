/** What is known of a machine's boots: fit for JSON. */
export interface BootRecord {
  /** What it was given last. */
  readonly booted: string;
  /** When it was first given it, in ms since 1970, and whether it came up since. */
  readonly since: number;
  readonly isUp: boolean;
  /** The last version that came up, and the one that was so before: what is fallen back to. */
  readonly good?: string;
  readonly before?: string;
  /** A version that did not come up on this machine. */
  readonly failed?: string;
}

/** What a machine is given next. */
export interface NextBoot {
  readonly version: string;
  readonly record: BootRecord;
  /** Set when the version on trial has just been given up. */
  readonly gaveUp: string | undefined;
}

/**
 * Chooses what a machine that asks is given: the newest version, unless it had its chance.
 *
 * A version that never came up on this machine is on trial: when the machine asks again `upWithinMs` after it
 * was first given it, it is given the last one that came up, until there is one that is newer still. A
 * version that did come up is never given up; nor is the first one, there being no other.
 *
 * @param upWithinMs 0: nothing is ever given up
 */
export function nextBoot(
  record: BootRecord | undefined,
  newest: string,
  now: number,
  upWithinMs: number,
): NextBoot {
  const gaveUp = record !== undefined && isGivenUp(record, now, upWithinMs);
  const failed = gaveUp ? record.booted : record?.failed;
  const version = failed === newest ? (record?.good ?? newest) : newest;
  const goesOn = record !== undefined && record.booted === version && !record.isUp;
  return {
    version,
    gaveUp: gaveUp ? record.booted : undefined,
    record: {
      booted: version,
      since: goesOn ? record.since : now,
      isUp: false,
      ...(record?.good !== undefined && { good: record.good }),
      ...(record?.before !== undefined && { before: record.before }),
      // Only of the newest is it of interest: others are not given again.
      ...(failed === newest && { failed }),
    },
  };
}

function isGivenUp(
  { booted, isUp, good, since }: BootRecord,
  now: number,
  upWithinMs: number,
): boolean {
  const isOnTrial = !isUp && good !== undefined && good !== booted;
  return isOnTrial && upWithinMs > 0 && now - since >= upWithinMs;
}

/** The machine said that it is up. */
export function cameUp(record: BootRecord): BootRecord {
  const { booted, good } = record;
  if (good === booted) return { ...record, isUp: true };
  return { ...record, isUp: true, good: booted, ...(good !== undefined && { before: good }) };
}

/** What the machine would go back to, if anything. */
export function rollbackOf({ booted, good, before }: BootRecord): string | undefined {
  return good === booted ? before : good;
}
