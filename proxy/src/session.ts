import type { Location, Locator } from './locator.ts';
import { onTime } from './on-time.ts';
import { messageOf, ProxyError } from './proxy-error.ts';
import type { SessionRecord } from './session-file.ts';

/**
 * When a proxy goes on with the version of its last run, instead of the newest one:
 *
 * - `after-crash`: when that run did not end cleanly; the machine that uses it is still mounted.
 * - `always`, `never`.
 *
 * A version that is asked for by name wins over all of them.
 */
export type ResumePolicy = 'after-crash' | 'always' | 'never';

/** What a run of the proxy is about. */
export interface Session {
  readonly location: Location;
  /** Goes on with the version, and the shadow, of the last run. */
  readonly resumed: boolean;
  /** Name of the shadow: its directory below `shadows`. */
  readonly shadow: string;
  /** What an operator should know about how this was chosen; one sentence each. */
  readonly notices: readonly string[];
}

export interface SessionRequest {
  readonly locator: Locator;
  /** The record of the last run. */
  readonly previous: SessionRecord | undefined;
  readonly version: string | undefined;
  readonly shadowName: string | undefined;
  readonly resume: ResumePolicy;
  readonly signal: AbortSignal;
}

/** Without a version there is one tree, and one shadow over it. */
const UNVERSIONED_SHADOW = 'default';

/**
 * Decides which version to run, over which shadow. A shadow belongs to the version that it was written
 * over, so another version is another shadow, and the old one is kept.
 *
 * When the locator fails, the last known servers of the version are used, and the session says since
 * when they are old.
 *
 * @throws ProxyError LOCATE_FAILED or NO_SERVERS
 */
export async function beginSession(request: SessionRequest): Promise<Session> {
  const { previous, version } = request;
  const resumed = previous !== undefined && resumes(request, previous);
  const wanted = resumed ? previous.version : version;
  const notices: string[] = [];
  const location = await locate(request, wanted, notices);
  if (location.servers.length === 0)
    throw new ProxyError('NO_SERVERS', `no server is known for ${describe(location)}`);
  const shadow = resumed ? previous.shadow : shadowNameOf(request.shadowName, location.version);
  if (resumed && previous.running)
    notices.push(`the last run did not end cleanly: going on with ${describe(previous)}`);
  else if (previous !== undefined && previous.shadow !== shadow)
    notices.push(
      `running ${describe(location)} with the shadow ${shadow}: what was changed over ` +
        `${describe(previous)} is kept in the shadow ${previous.shadow}, and not seen here`,
    );
  return { location, resumed, shadow, notices };
}

function resumes(
  { resume, version, shadowName }: SessionRequest,
  previous: SessionRecord,
): boolean {
  if (version !== undefined && version !== previous.version) return false;
  if (shadowName !== undefined && shadowNameOf(shadowName, undefined) !== previous.shadow)
    return false;
  return resume === 'always' || (resume === 'after-crash' && previous.running);
}

async function locate(
  { locator, previous, signal }: SessionRequest,
  version: string | undefined,
  notices: string[],
): Promise<Location> {
  try {
    return await onTime(locator.locate(version === undefined ? {} : { version }, signal), signal);
  } catch (error) {
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
      servers: previous.servers,
      staleSince: new Date(previous.locatedAt),
    };
  }
}

/** The directory name of a shadow; no name of a version can leave the directory of shadows. */
function shadowNameOf(name: string | undefined, version: string | undefined): string {
  return encodeURIComponent(name ?? version ?? UNVERSIONED_SHADOW).replace(/^\./, '%2E');
}

function describe({
  appliance,
  version,
}: {
  readonly appliance?: string | undefined;
  readonly version?: string | undefined;
}): string {
  const of = appliance === undefined ? '' : ` of ${appliance}`;
  return version === undefined ? `the image${of}` : `version ${version}${of}`;
}
