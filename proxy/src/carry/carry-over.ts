import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Mountstat3, Nfs3Error } from '@rowfs/nfs3';
import { type Logger, pino } from 'pino';
import { Cleanup } from '../cleanup.ts';
import { DEFAULT_FAILOVER_TIMINGS } from '../failover/failover.ts';
import { serverOpener } from '../failover/open-server.ts';
import { type Change, changesOf } from '../inspect/changes.ts';
import { openMergedTree } from '../inspect/merged-tree.ts';
import { ownerOf, readShadow } from '../inspect/read-shadow.ts';
import type { Scan } from '../inspect/scan.ts';
import type { ReadableTree } from '../inspect/tree-walk.ts';
import type { ImageServer } from '../locator.ts';
import { openLower } from '../lower/open-lower.ts';
import { messageOf } from '../proxy-error.ts';
import { ROOT_CREDENTIAL } from '../root-credential.ts';
import { lockShadow } from '../shadow/lock-shadow.ts';
import { recordsPath } from '../shadow/make-shadow.ts';
import type { ShadowOwner } from '../shadow/shadow.ts';
import { RecordStore, settleJournal } from '../store/record-store.ts';
import { syncDirectory } from '../store/sync-directory.ts';
import { applyChanges, isIncidental } from './apply.ts';
import { CarryError } from './carry-error.ts';
import { type Conflict, Judge } from './verdict.ts';

export interface CarryOptions {
  /** The shadow over the old version; it is only read. */
  readonly from: string;
  /** Where the shadow over the new version is made; nothing may be there. */
  readonly to: string;
  /** The new version. */
  readonly belongsTo: ShadowOwner;
  /** Who serves the old version, and the new one. */
  readonly oldServers: readonly ImageServer[];
  readonly newServers: readonly ImageServer[];
  /** Of what all sessions of the machine share; needed over a verified image. */
  readonly cacheDirectory: string;
  /** How long servers may take to be mounted, in ms. Default 10 s. */
  readonly startMs?: number;
  readonly signal?: AbortSignal;
  readonly logger?: Logger;
}

/** What became of a machine's changes at a new version. */
export interface CarryReport {
  /** Changes that the new shadow has, or that the new version has already. */
  readonly carried: number;
  /** Changes that only the old shadow has, sorted by path. */
  readonly conflicts: readonly Conflict[];
}

const START_MS = 10_000;

/** What a name in the directory of shadows begins with while the shadow is made. */
const BEING_MADE = '.carrying-';

/**
 * Makes a shadow over a new version with what was changed over an old one, as far as the new version left the
 * same objects alone: they are the same in both images, whatever their mtime. The others stay in the old shadow,
 * which is not changed, and are named.
 *
 * The new shadow is made aside and moved to its place when all of it is on stable storage: interrupted
 * anywhere, it is not there, and carrying over begins anew.
 *
 * @throws ShadowError SHADOW_IN_USE for the old one and others; CarryError, when an image cannot be read
 */
export async function carryOver(options: CarryOptions): Promise<CarryReport> {
  const { from, to, logger = pino({ level: 'silent' }) } = options;
  const aside = join(dirname(resolve(to)), BEING_MADE + basename(to));
  const cleanup = new Cleanup();
  const unlock = lockShadow(join(resolve(from), 'lock'));
  cleanup.add(async () => unlock());
  try {
    await settleJournal(recordsPath(resolve(from)));
    await rm(aside, { recursive: true, force: true });
    await mkdir(aside, { recursive: true, mode: 0o700 });
    cleanup.add(() => rm(aside, { recursive: true, force: true }));
    const shadow = join(aside, 'shadow');
    const report = await readShadow(from, (scan) =>
      fillShadow({ ...options, logger }, scan, aside, shadow),
    );
    await syncDirectory(shadow);
    await rename(shadow, to);
    await syncDirectory(dirname(resolve(to)));
    return report;
  } catch (error) {
    if (!(error instanceof Nfs3Error)) throw error;
    throw new CarryError(`cannot carry over ${from}: ${messageOf(error)}`, { cause: error });
  } finally {
    await cleanup.run();
  }
}

async function fillShadow(
  options: CarryOptions & { readonly logger: Logger },
  scan: Scan,
  aside: string,
  shadow: string,
): Promise<CarryReport> {
  const { belongsTo, newServers: servers, cacheDirectory, logger, signal } = options;
  const { startMs = START_MS } = options;
  const changes = changesOf(scan, { directoryTimes: true });
  const cleanup = new Cleanup();
  try {
    const oldImage = await openOldImage(options, ownerOf(scan.records), aside, cleanup);
    const tree = await openMergedTree({
      directory: shadow,
      belongsTo,
      servers,
      cacheDirectory,
      startMs,
      logger,
      ...(signal !== undefined && { signal }),
    });
    cleanup.add(() => tree.close());
    const judge = new Judge(oldImage, tree);
    const wanted: Change[] = [];
    const conflicts: Conflict[] = [];
    for (const change of changes) {
      const verdict = isIncidental(change) ? 'carry' : await judge.judge(change);
      if (verdict === 'carry') wanted.push(change);
      else if (verdict !== 'settled')
        conflicts.push({ path: change.path, kind: change.kind, reason: verdict.reason });
    }
    conflicts.push(...(await applyChanges(tree, scan, wanted)));
    conflicts.sort((a, b) => (a.path < b.path ? -1 : 1));
    const told = changes.filter((change) => !isIncidental(change));
    return { carried: told.length - conflicts.length, conflicts };
  } finally {
    await cleanup.run();
  }
}

/** The old image by the handles that the old shadow has; what is learnt of it is thrown away. */
async function openOldImage(
  {
    from,
    oldServers: servers,
    cacheDirectory,
    startMs = START_MS,
    logger,
    signal,
  }: CarryOptions & { readonly logger: Logger },
  { digest }: ShadowOwner,
  aside: string,
  cleanup: Cleanup,
): Promise<ReadableTree> {
  const copy = join(aside, 'old-records');
  await cp(recordsPath(from), copy, { recursive: true });
  const records = new RecordStore(copy, () => undefined);
  cleanup.add(() => records.close());
  const lower = await openLower({
    digest,
    // As a rule the manifest is in the shadow.
    manifestBytes: undefined,
    boot: undefined,
    servers,
    openServer: serverOpener(logger),
    shadow: from,
    records,
    cacheDirectory,
    cacheLimits: {},
    startMs,
    timings: DEFAULT_FAILOVER_TIMINGS,
    logger,
    onChange: () => undefined,
  });
  cleanup.add(() => lower.close());
  await lower.ready(AbortSignal.timeout(startMs));
  const { service } = lower;
  const ctx = {
    credential: ROOT_CREDENTIAL,
    signal: signal ?? new AbortController().signal,
    peer: { address: '127.0.0.1', port: 0 },
  };
  const mounted = await service.mount('/', ctx);
  if (mounted.status !== Mountstat3.OK)
    throw new CarryError(`the old version's root cannot be mounted: status ${mounted.status}`);
  return { service, root: mounted.handle, ctx };
}
