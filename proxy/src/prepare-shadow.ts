import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { type CarryReport, carryOver } from './carry/carry-over.ts';
import { clearDiscarded, discardShadow } from './inspect/discard-shadow.ts';
import { shadowsDirectory } from './inspect/list-shadows.ts';
import { printableName } from './inspect/printable-name.ts';
import type { ImageServer, Locator } from './locator.ts';
import { onTime } from './on-time.ts';
import type { Session } from './session.ts';
import type { SessionRecord } from './session-file.ts';
import { isEphemeral } from './shadow-name.ts';
import { recordsPath } from './shadow/make-shadow.ts';

export interface PrepareShadowOptions {
  readonly stateDirectory: string;
  readonly session: Session;
  readonly locator: Locator;
  /** How long the locator may take, and the mounting of servers; in ms. */
  readonly locateMs: number;
  readonly startMs: number;
  readonly cacheDirectory: string;
  readonly logger: Logger;
}

/**
 * Before the shadow of a session is opened: what earlier runs left to be cleared away goes, and changes over
 * the version before are carried over, unless the new version's shadow is there already.
 *
 * @throws what {@link carryOver} throws; the session must not begin then, and nothing was changed.
 */
export async function prepareShadow(
  options: PrepareShadowOptions,
): Promise<CarryReport | undefined> {
  const { stateDirectory, session, logger } = options;
  const { location, carryFrom } = session;
  const shadows = shadowsDirectory(stateDirectory);
  await clearDiscarded(shadows);
  await discardEphemeral(shadows, session);
  if (carryFrom === undefined) return undefined;
  const [from, to] = [join(shadows, carryFrom.shadow), join(shadows, session.shadow)];
  if (!existsSync(recordsPath(from)) || existsSync(to)) return undefined;
  await mkdir(shadows, { recursive: true, mode: 0o700 });
  const { appliance, version, digest } = location;
  return carryOver({
    from,
    to,
    belongsTo: { appliance, version, digest },
    oldServers: await oldServers(options, carryFrom),
    newServers: location.servers,
    startMs: options.startMs,
    cacheDirectory: options.cacheDirectory,
    logger,
  });
}

/** Those that crashed and are not gone on with. */
async function discardEphemeral(shadows: string, { shadow, resumed }: Session): Promise<void> {
  for (const name of await readdir(shadows).catch(() => [])) {
    if (!isEphemeral(name) || (resumed && name === shadow)) continue;
    if (existsSync(recordsPath(join(shadows, name)))) await discardShadow(join(shadows, name));
  }
}

/** As the locator knows them by now, or else as they were at the last run. */
async function oldServers(
  { locator, locateMs }: PrepareShadowOptions,
  { version, servers }: SessionRecord,
): Promise<readonly ImageServer[]> {
  if (version === undefined) return servers;
  const signal = AbortSignal.timeout(locateMs);
  const located = await onTime(locator.locate({ version }, signal), signal).catch(() => undefined);
  return located === undefined || located.servers.length === 0 ? servers : located.servers;
}

/** Conflicts that are named in a notice; the report has all. */
const MOST_NAMED = 10;

export function carryNotices(report: CarryReport | undefined): string[] {
  if (report === undefined) return [];
  const { carried, conflicts } = report;
  const notice = `${carried} changes were carried over from the version before`;
  if (conflicts.length === 0) return [notice];
  const named = conflicts
    .slice(0, MOST_NAMED)
    .map(({ path, reason }) => `${printableName(path)} (${reason})`)
    .join('; ');
  const more = conflicts.length > MOST_NAMED ? `; and ${conflicts.length - MOST_NAMED} more` : '';
  return [notice, `${conflicts.length} stay in the old shadow: ${named}${more}`];
}
