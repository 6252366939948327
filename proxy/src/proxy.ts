import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  listenNfs3,
  type Nfs3Listener,
  type Nfs3Service,
  squash,
  type SquashOptions,
  stack,
  statistics,
} from '@rowfs/nfs3';
import { type Logger, pino } from 'pino';
import type { CacheLimits } from './block-cache/space.ts';
import { DEFAULT_FAILOVER_TIMINGS, type FailoverTimings } from './failover/failover.ts';
import { serverOpener } from './failover/open-server.ts';
import { LocationWatch } from './location-watch.ts';
import type { Locator, UseRegistry } from './locator.ts';
import type { LowerServerStatus } from './lower/lower.ts';
import { SharedLowers } from './lower/shared-lowers.ts';
import { messageOf, ProxyError } from './proxy-error.ts';
import { mountCommandOf, type ProxyAddress, type ProxyStatus } from './proxy-status.ts';
import { redirectOnWrite } from './row/layer.ts';
import { lockShadow } from './shadow/lock-shadow.ts';
import { ShadowError } from './shadow/shadow-error.ts';
import { openShadow } from './shadow/shadow.ts';
import type { SpaceLimits } from './shadow/space.ts';
import type { CarryReport } from './carry/carry-over.ts';
import { Cleanup } from './cleanup.ts';
import { discardShadow } from './inspect/discard-shadow.ts';
import { shadowsDirectory } from './inspect/list-shadows.ts';
import { carryNotices, prepareShadow } from './prepare-shadow.ts';
import { isEphemeral } from './shadow-name.ts';
import { beginSession, type UpgradePolicy } from './session.ts';
import { SessionFile, type SessionRecord } from './session-file.ts';

export interface ProxyListenOptions {
  /** Default 127.0.0.1: NFS with AUTH_SYS trusts whoever can connect. */
  readonly host?: string;
  /** Port of NFS; 0, the default, lets the system choose one. */
  readonly port?: number;
  /** Port of MOUNT. Default: that of NFS. */
  readonly mountPort?: number;
  /** Port of a portmapper, for clients that cannot be told a port: they look at 111. */
  readonly portmapPort?: number;
}

export interface ProxyOptions {
  /** Says which servers have the image: a registry, or {@link staticLocator}. */
  readonly locator: Locator;
  /** What survives the proxy: its session, and the shadows. One machine's, made when missing. */
  readonly stateDirectory: string;
  /** Manifests and blocks of verified images, for all proxies of a machine. Default: `cache` in the state directory. */
  readonly cacheDirectory?: string;
  /** How much of its disk the cache may take. */
  readonly cacheLimits?: CacheLimits;
  /** Shared with other proxies of this process, over the same image. Default: its own. */
  readonly lowers?: SharedLowers;
  /** Run this version, whatever ran before and whatever is newest. */
  readonly version?: string;
  /** What to do when another version is the newest by now. Default `fresh`. */
  readonly upgrade?: UpgradePolicy;
  /** Over a shadow of its own, which goes with the clean end: not with a crash. Default false. */
  readonly ephemeral?: boolean;
  /** How much of its disk the shadow may take. */
  readonly space?: SpaceLimits;
  readonly listen?: ProxyListenOptions;
  /** Whose calls are made anonymous. Default nobody's: to a diskless machine, its root is root. */
  readonly squash?: SquashOptions;
  /** Where the use of the version is announced while the proxy runs. */
  readonly uses?: UseRegistry;
  readonly failover?: Partial<FailoverTimings>;
  /** How long the locator may take, and how often it is asked for a fresh list; in ms. */
  readonly locating?: { readonly timeoutMs?: number; readonly everyMs?: number };
  /** How long the first start may wait for a server to be mounted, in ms. Default 10 s. */
  readonly startMs?: number;
  readonly logger?: Logger;
  /** Called after a server changed its state. */
  readonly onServersChanged?: (servers: readonly LowerServerStatus[]) => void;
}

/** A proxy that serves. */
export interface Proxy {
  readonly address: ProxyAddress;
  /** What its clients see, to be mounted through other listeners than its own. */
  readonly service: Pick<Nfs3Service, 'mount'>;
  /** The image below, as nobody changed it. */
  readonly image: Nfs3Service;
  /** What to type on Linux to mount it on `/mnt`. */
  readonly mountCommand: string;
  /** What an operator should know about which version and shadow run, and why. */
  readonly notices: readonly string[];
  /** What became of the changes over the version before; undefined when none were to be carried over. */
  readonly carried: CarryReport | undefined;
  /** Its machine boots again: what that reads is fetched ahead, and recorded, as with the first boot. */
  bootBegins(): void;
  status(): Promise<ProxyStatus>;
  /** Takes no more calls, brings the shadow to stable storage, and gives the lease back. */
  close(): Promise<void>;
}

const LOCATE_TIMEOUT_MS = 15_000;
const LOCATE_EVERY_MS = 60_000;
const LOCATE_AT_MOST_EVERY_MS = 5_000;
const START_MS = 10_000;

/**
 * Starts a ROW-FS proxy: an NFSv3 server for a read-only image that is read from image servers, and
 * whose changes stay in a shadow on this machine.
 *
 * It resolves when it serves. The first start needs a server that answers; one that goes on after a
 * crash serves at once and holds calls until a server is there.
 *
 * @throws ProxyError; FailoverError NO_SERVER_REACHABLE, EXPORT_NOT_FOUND; ShadowError SHADOW_IN_USE,
 *   SHADOW_VERSION_MISMATCH and others. Nothing stays open.
 */
export async function createProxy(options: ProxyOptions): Promise<Proxy> {
  const cleanup = new Cleanup();
  try {
    return await start(options, cleanup);
  } catch (error) {
    // The reason of the start's failure is the one to tell.
    await cleanup
      .run()
      .catch((failed: unknown) => options.logger?.error({ err: failed }, 'cleanup'));
    throw error;
  }
}

/** Opened in this order, closed in the reverse one: no call finds its lower layer gone. */
async function start(options: ProxyOptions, cleanup: Cleanup): Promise<Proxy> {
  const { stateDirectory, logger = pino({ level: 'silent' }) } = options;
  const { cacheDirectory = join(stateDirectory, 'cache'), startMs = START_MS } = options;
  const startedAt = new Date().toISOString();
  cleanup.add(await lockState(stateDirectory));
  const sessionFile = new SessionFile(stateDirectory);
  const previous = await sessionFile.read();
  const session = await beginSession({
    locator: options.locator,
    previous,
    version: options.version,
    upgrade: options.upgrade ?? 'fresh',
    ephemeral: options.ephemeral ?? false,
    signal: AbortSignal.timeout(options.locating?.timeoutMs ?? LOCATE_TIMEOUT_MS),
  });
  const { location } = session;
  const notices = [...session.notices];
  for (const notice of notices) logger.warn(notice);

  const watch = new LocationWatch({
    locator: options.locator,
    uses: options.uses,
    location,
    everyMs: options.locating?.everyMs ?? LOCATE_EVERY_MS,
    minMs: LOCATE_AT_MOST_EVERY_MS,
    timeoutMs: options.locating?.timeoutMs ?? LOCATE_TIMEOUT_MS,
    logger,
  });

  let record: SessionRecord = {
    running: true,
    appliance: location.appliance,
    version: location.version,
    digest: location.digest,
    manifestBytes: location.manifestBytes,
    bootProfile: location.bootProfile,
    shadow: session.shadow,
    servers: location.servers,
    locatedAt: (location.staleSince ?? new Date()).toISOString(),
  };
  let staleSince = location.staleSince;
  let hasServed = false;
  cleanup.add(async () => {
    // A start that failed has run nothing: what ran before it is still what was run last.
    if (hasServed) await sessionFile.write({ ...record, running: false });
    else if (previous !== undefined) await sessionFile.write(previous);
  });
  // Before the last record is written: what it learns on the way would be written over it.
  cleanup.add(() => watch.close());

  const directory = join(shadowsDirectory(stateDirectory), session.shadow);
  const { appliance, version, digest } = location;
  const carried = await prepareShadow({
    stateDirectory,
    session,
    locator: options.locator,
    locateMs: options.locating?.timeoutMs ?? LOCATE_TIMEOUT_MS,
    startMs,
    cacheDirectory,
    logger,
  });
  notices.push(...carryNotices(carried));
  cleanup.add(async () => {
    if (hasServed && isEphemeral(session.shadow)) await discardShadow(directory);
  });
  const shadow = await openShadow({
    directory,
    belongsTo: { appliance, version, digest },
    limits: options.space ?? {},
    logger,
  });
  cleanup.add(() => shadow.close());
  const { availableBytes } = await shadow.statistics();
  if (availableBytes === 0) {
    const full = `no space is left for ${directory}: nothing new can be written there for now`;
    notices.push(full);
    logger.warn(full);
  }
  const lowers = options.lowers ?? new SharedLowers({ logger });
  const lower = await lowers.open({
    digest,
    manifestBytes: location.manifestBytes,
    boot: { published: location.bootProfile },
    servers: location.servers,
    openServer: serverOpener(logger),
    shadow: directory,
    records: shadow.records,
    cacheDirectory,
    cacheLimits: options.cacheLimits ?? {},
    timings: { ...DEFAULT_FAILOVER_TIMINGS, ...options.failover },
    startMs,
    logger,
    onChange: (servers) => {
      if (servers.some(({ state }) => state === 'demoted')) watch.hurry();
      options.onServersChanged?.(servers);
    },
  });
  cleanup.add(() => lower.close());
  notices.push(...lower.notices);
  // Whoever runs on this proxy since before a crash waits better for servers than for a proxy.
  if (!session.resumed) {
    await lower.ready(AbortSignal.timeout(startMs));
    lower.bootBegins();
  }

  const up = statistics();
  const down = statistics();
  const service = stack(
    lower.service,
    down.layer,
    redirectOnWrite(shadow, { tree: lower.tree, known: lower.known }),
    squash(options.squash ?? { squash: 'none' }),
    up.layer,
  );
  await sessionFile.write(record);
  const listener = await listen(service, options.listen ?? {}, logger);
  cleanup.add(() => listener.close());
  hasServed = true;

  watch.start({
    located: async (fresh) => {
      record = { ...record, servers: fresh.servers, locatedAt: new Date().toISOString() };
      staleSince = fresh.staleSince;
      lower.setServers(fresh.servers);
      await sessionFile.write(record);
    },
    failed: () => {
      staleSince ??= new Date(record.locatedAt);
    },
  });
  const address = { host: listener.host, port: listener.port, mountPort: listener.mountPort };
  logger.info({ address, appliance, version, shadow: session.shadow }, 'proxy serves');
  let closing: Promise<void> | undefined;
  return {
    address,
    service,
    image: lower.service,
    mountCommand: mountCommandOf(address),
    carried,
    notices,
    bootBegins: () => lower.bootBegins(),
    status: async () => ({
      appliance,
      version,
      resumed: session.resumed,
      staleSince: staleSince?.toISOString(),
      notices,
      startedAt,
      address,
      shadow: { name: session.shadow, directory, ...(await shadow.statistics()) },
      ...lower.status(),
      calls: { up: up.snapshot(), down: down.snapshot() },
    }),
    close: () => (closing ??= cleanup.run()),
  };
}

async function lockState(directory: string): Promise<() => Promise<void>> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const unlock = lockShadow(join(directory, 'lock'));
    return async () => unlock();
  } catch (error) {
    if (error instanceof ShadowError) throw error;
    throw new ProxyError(
      'STATE_UNUSABLE',
      `cannot use the state directory ${directory}: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

async function listen(
  service: Nfs3Service,
  options: ProxyListenOptions,
  logger: Logger,
): Promise<Nfs3Listener> {
  try {
    return await listenNfs3({ service, ...options, logger });
  } catch (error) {
    const { code, port } = error as NodeJS.ErrnoException & { readonly port?: number };
    const where = `port ${port ?? options.port ?? 0} of ${options.host ?? '127.0.0.1'}`;
    if (code === 'EADDRINUSE')
      throw new ProxyError('PORT_IN_USE', `${where} is in use: choose another`, { cause: error });
    if (code === 'EACCES')
      throw new ProxyError('PORT_REFUSED', `${where} needs more rights: choose one above 1023`, {
        cause: error,
      });
    throw error;
  }
}
