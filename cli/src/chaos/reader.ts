import { setTimeout as sleep } from 'node:timers/promises';
import {
  connectNfs3,
  type Nfs3Context,
  Nfsstat3,
  nfsstat3Name,
  pathNames,
  type RemoteNfs3Service,
  walk,
} from '@rowfs/nfs3';
import type { History } from './history.ts';

/** Between two files. */
const INTERVAL_MS = 50;
const READ_BYTES = 64 * 1024;
/** A proxy that was killed is asked again after this. */
const RETRY_MS = 100;
/** Longer than any fault lasts. */
const TIMEOUT_MS = 60_000;

function contextOf(signal: AbortSignal): Nfs3Context {
  return {
    credential: { flavor: 'sys', stamp: 0, machinename: 'chaos', uid: 0, gid: 0, gids: [] },
    signal,
    peer: { address: '127.0.0.1', port: 0 },
  };
}

/** What a client mounts, and should find there. */
export interface MountedVersion {
  readonly proxy: string;
  readonly host: string;
  readonly port: number;
  readonly mountPort: number;
  readonly version: string;
  readonly contents: ReadonlyMap<string, Buffer>;
}

/**
 * Reads files through a proxy until the signal comes, as a hard mount does: a call that is not answered is
 * made again, with the same handles, however often the proxy dies in between.
 */
export async function readAgainAndAgain(
  mounted: MountedVersion,
  history: History,
  signal: AbortSignal,
): Promise<void> {
  const { proxy, version, contents } = mounted;
  const service = connectNfs3({ ...mounted, timeoutMs: TIMEOUT_MS });
  const ctx = contextOf(signal);
  try {
    let root: Uint8Array | undefined;
    const files = [...contents];
    for (let turn = 0; !signal.aborted; turn += 1) {
      // Seven goes round all of them, in no order that a read-ahead likes.
      const [path, expected] = files[(turn * 7) % files.length] ?? ['', Buffer.alloc(0)];
      const started = history.now();
      const wrong = await untilAnswered(signal, async () => {
        root ??= await mountRoot(service, ctx);
        return compareFile({ service, root, ctx }, path, expected);
      });
      if (wrong === undefined) break;
      const ms = history.now() - started;
      const found = wrong === '' ? {} : { wrong };
      history.add({ kind: 'read', proxy, version, path, ms, ...found });
      await sleep(INTERVAL_MS);
    }
  } finally {
    await service.close();
  }
}

/** Undefined when the signal came before there was an answer. */
async function untilAnswered<T>(
  signal: AbortSignal,
  call: () => Promise<T>,
): Promise<T | undefined> {
  while (!signal.aborted) {
    try {
      return await call();
    } catch {
      // The connection is gone: the proxy is down just now.
      await sleep(RETRY_MS);
    }
  }
  return undefined;
}

async function mountRoot(service: RemoteNfs3Service, ctx: Nfs3Context): Promise<Uint8Array> {
  const mounted = await service.mount('/', ctx);
  if (mounted.status !== 0) throw new Error(`MNT answers status ${mounted.status}`);
  return mounted.handle;
}

/** @returns what is wrong; nothing when all is right. */
async function compareFile(
  { service, root, ctx }: { service: RemoteNfs3Service; root: Uint8Array; ctx: Nfs3Context },
  path: string,
  expected: Buffer,
): Promise<string> {
  const found = await walk(service, root, pathNames(path), ctx);
  if (found.status !== Nfsstat3.OK) return `LOOKUP: ${nfsstat3Name(found.status)}`;
  for (let offset = 0; offset < expected.length;) {
    const read = await service.read({ file: found.object, offset, count: READ_BYTES }, ctx);
    if (read.status !== Nfsstat3.OK) return `READ at ${offset}: ${nfsstat3Name(read.status)}`;
    const bytes = Buffer.concat(read.data);
    if (!bytes.equals(expected.subarray(offset, offset + bytes.length)))
      return `READ at ${offset}: other bytes than the image has`;
    if (read.eof !== (offset + bytes.length === expected.length))
      return `READ at ${offset}: ends at ${offset + bytes.length}, the file at ${expected.length}`;
    offset += bytes.length;
  }
  return '';
}
