import type { Location, Locator } from './locator.ts';
import { onTime } from './on-time.ts';
import { messageOf, ProxyError } from './proxy-error.ts';
import type { SessionRecord } from './session-file.ts';
import { isEphemeral, shadowNameOf } from './shadow-name.ts';

/**
 * What a proxy does at its start when the version that it ran last is not the newest any more:
 *
 * - `keep`: goes on with the version of its last run.
 * - `fresh`: takes the newest one, as pristine as its image, unless it ran here before.
 * - `carry`: takes the newest one, with the changes over the old one of which the image side is the same.
 *
 * Whatever is chosen the old shadow is kept. After a crash the version that ran goes on in any case: the
 * machine that uses it is still mounted. A version that is asked for by name wins over that.
 */
export type UpgradePolicy = 'keep' | 'fresh' | 'carry';

/** What a run of the proxy is about. */
export interface Session {
  readonly location: Location;
  /** Goes on with the version, and the shadow, of the last run. */
  readonly resumed: boolean;
  /** Name of the shadow: its directory below `shadows`. */
  readonly shadow: string;
  /** The run whose changes are to be carried over, over another version than this one. */
  readonly carryFrom: SessionRecord | undefined;
  /** What an operator should know about how this was chosen; one sentence each. */
  readonly notices: readonly string[];
}

export interface SessionRequest {
  readonly locator: Locator;
  /** The record of the last run. */
  readonly previous: SessionRecord | undefined;
  readonly version: string | undefined;
  readonly upgrade: UpgradePolicy;
  /** Over a shadow that goes with the clean end of the run. */
  readonly ephemeral: boolean;
  readonly signal: AbortSignal;
}

/**
 * Decides which version to run, over which shadow. A shadow belongs to the version that it was written
 * over, so another version is another shadow, and the old one is kept.
 *
 * When the locator fails, the last known servers of the version are used, and the session says since
 * when they are old.
 *
 * @throws ProxyError LOCATE_FAILED, IMAGE_REFUSED or NO_SERVERS
 */
export async function beginSession(request: SessionRequest): Promise<Session> {
  const { previous, version, upgrade, ephemeral } = request;
  const goesOn = previous !== undefined && (version ?? previous.version) === previous.version;
  const resumed = goesOn && previous.running;
  const keeps = resumed || (goesOn && upgrade === 'keep');
  const notices: string[] = [];
  const location = await locate(request, keeps ? previous.version : version, notices);
  if (location.servers.length === 0)
    throw new ProxyError('NO_SERVERS', `no server is known for ${describe(location)}`);
  const shadow = resumed ? previous.shadow : shadowNameOf(location.version, ephemeral);
  const isUpgrade = previous !== undefined && previous.version !== location.version;
  const carryFrom = isUpgrade && upgrade === 'carry' ? previous : undefined;
  if (resumed)
    notices.push(`the last run did not end cleanly: going on with ${describe(previous)}`);
  else if (previous !== undefined && previous.shadow !== shadow && !isEphemeral(previous.shadow))
    notices.push(
      `running ${describe(location)} with the shadow ${shadow}: what was changed over ` +
        `${describe(previous)} is kept in the shadow ${previous.shadow}` +
        (carryFrom === undefined ? ', and not seen here' : ''),
    );
  if (isEphemeral(shadow)) notices.push('ephemeral: what is written here is gone at the clean end');
  return { location, resumed, shadow, carryFrom, notices };
}

async function locate(
  { locator, previous, signal }: SessionRequest,
  version: string | undefined,
  notices: string[],
): Promise<Location> {
  try {
    return await onTime(locator.locate(version === undefined ? {} : { version }, signal), signal);
  } catch (error) {
    if (error instanceof ProxyError && error.code === 'IMAGE_REFUSED') throw error;
    const isKnown = previous !== undefined && (version ?? previous.version) === previous.version;
    if (!isKnown)
      throw new ProxyError('LOCATE_FAILED', `cannot find an image server: ${messageOf(error)}`, {
        cause: error,
      });
    notices.push(
      `no answer about newer versions or servers (${messageOf(error)}): ` +
        `going on with ${describe(previous)} as known since ${previous.locatedAt}`,
    );
    return {
      ...(previous.appliance !== undefined && { appliance: previous.appliance }),
      ...(previous.version !== undefined && { version: previous.version }),
      ...(previous.digest !== undefined && { digest: previous.digest }),
      ...(previous.manifestBytes !== undefined && { manifestBytes: previous.manifestBytes }),
      ...(previous.bootProfile !== undefined && { bootProfile: previous.bootProfile }),
      servers: previous.servers,
      staleSince: new Date(previous.locatedAt),
    };
  }
}

export function describe({
  appliance,
  version,
}: {
  readonly appliance?: string | undefined;
  readonly version?: string | undefined;
}): string {
  const of = appliance === undefined ? '' : ` of ${appliance}`;
  return version === undefined ? `the image${of}` : `version ${version}${of}`;
}
