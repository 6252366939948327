import {
  failure,
  type Filehandle,
  Ftype3,
  Mountstat3,
  type Mountstat3Error,
  type MountResult,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  type Nfsstat3Error,
  pathNames,
  readOnlyRefusals,
  walk,
} from '@rowfs/nfs3';
import type { Logger } from 'pino';
import type { KnownAttributes } from '../known-attributes.ts';
import type { ImageServer } from '../locator.ts';
import type { RecordStore } from '../store/record-store.ts';
import { DirectoryListing } from './directory-listing.ts';
import { DirectoryReader } from './directory-reader.ts';
import { HeldCalls } from './held-calls.ts';
import { MountedTree } from './mounted-tree.ts';
import { NameLookup } from './name-lookup.ts';
import { NodeCalls } from './node-calls.ts';
import { NodeHandles, ROOT_NODE } from './node-handle.ts';
import { NodeIdentity } from './node-identity.ts';
import { NodeWalker } from './node-walker.ts';
import { PathTable } from './path-table.ts';
import { PinnedAttributes } from './pinned-attributes.ts';
import type { OpenServer, ReplicaTimings, ServerStatus } from './replica.ts';
import { ReplicaSet } from './replica-set.ts';

const AUTH_SYS = 1;

export interface FailoverTimings extends ReplicaTimings {
  /** How long a call waits for a server in all, before it is answered NFS3ERR_JUKEBOX. */
  readonly holdMs: number;
}

export const DEFAULT_FAILOVER_TIMINGS: FailoverTimings = {
  patienceMs: 1_000,
  mountMs: 3_000,
  probeMs: { first: 200, last: 30_000 },
  holdMs: 30_000,
};

export interface FailoverOptions {
  /** The best first. They export the same tree, and it does not change. */
  readonly servers: readonly ImageServer[];
  readonly openServer: OpenServer;
  /** Where node ids are kept, for one tree. Closed by who opened it, after the failover. */
  readonly records: RecordStore;
  readonly timings: FailoverTimings;
  readonly logger: Logger;
  /** Called after each change of a server's state, or of the set of servers. */
  readonly onChange: (status: readonly ServerStatus[]) => void;
}

/**
 * Several read-only servers of one tree as one service that does not fail with them.
 *
 * Handles and fileids are its own, and the same whichever server answers and after every restart.
 * Calls that a server does not answer are held while others are asked; see {@link HeldCalls}.
 */
export interface Failover extends Nfs3Service, KnownAttributes {
  /** Resolves when a server is mounted; throws FailoverError NO_SERVER_REACHABLE when none can be. */
  ready(signal: AbortSignal): Promise<void>;
  /** Replaces the list; calls on servers that leave it go to others. */
  setServers(servers: readonly ImageServer[]): void;
  status(): ServerStatus[];
  close(): Promise<void>;
}

export async function createFailover(options: FailoverOptions): Promise<Failover> {
  const table = await PathTable.open(options.records, options.logger);
  const replicas = new ReplicaSet<MountedTree>({
    ...options,
    openTree: ({ service, root, earlier }) => new MountedTree(service, root, earlier),
  });
  const calls = new HeldCalls(replicas, options.timings.holdMs);
  const handles = new NodeHandles(table.id);
  const attributes = new PinnedAttributes(Buffer.from(table.id).readBigUInt64BE());
  const service = failoverService(table, handles, attributes, calls);
  return {
    ...service,
    knownAttributes: (handle) => {
      const node = handles.decodeText(handle);
      return node === undefined ? undefined : attributes.get(node);
    },
    ready: (signal) => replicas.ready(signal),
    setServers: (servers) => replicas.setServers(servers),
    status: () => replicas.status(),
    close: async () => {
      calls.close();
      await replicas.close();
      await table.close();
    },
  };
}

function failoverService(
  table: PathTable,
  handles: NodeHandles,
  attributes: PinnedAttributes,
  calls: HeldCalls,
): Nfs3Service {
  const walker = new NodeWalker(table, attributes);
  const identity = new NodeIdentity(table, attributes, walker);
  const reader = new DirectoryReader(table, attributes, identity, walker);
  const nodes = new NodeCalls(table, handles, attributes, walker, calls);
  const names = new NameLookup({ table, handles, attributes, walker, identity, nodes, calls });
  const listing = new DirectoryListing({ table, handles, attributes, reader, nodes, calls });
  const service: Nfs3Service = {
    ...readOnlyRefusals(),
    null: async () => undefined,
    getattr: ({ object }, ctx) => nodes.getattr(object, ctx),
    lookup: (args, ctx) => names.lookup(args, ctx),
    readdir: (args, ctx) => listing.readdir(args, ctx),
    readdirplus: (args, ctx) => listing.readdirplus(args, ctx),
    // Nothing was written here that could be made durable.
    commit: async () => failure('commit', Nfsstat3.ROFS),
    mount: (dirpath, ctx) => mount(service, handles.encode(ROOT_NODE), dirpath, ctx),
    access: ({ object, access }, ctx) =>
      nodes.call({
        procedure: 'access',
        object,
        ctx,
        ask: (server, handle, callCtx) => server.access({ object: handle, access }, callCtx),
        translate: (result, node) => ({
          ...result,
          objAttributes: attributes.pinOptional(node, result.objAttributes),
        }),
      }),
    readlink: ({ symlink }, ctx) =>
      nodes.call({
        procedure: 'readlink',
        object: symlink,
        ctx,
        ask: (server, handle, callCtx) => server.readlink({ symlink: handle }, callCtx),
        translate: (result, node) => ({
          ...result,
          symlinkAttributes: attributes.pinOptional(node, result.symlinkAttributes),
        }),
      }),
    read: ({ file, offset, count }, ctx) =>
      nodes.call({
        procedure: 'read',
        object: file,
        ctx,
        ask: (server, handle, callCtx) => server.read({ file: handle, offset, count }, callCtx),
        translate: (result, node) => ({
          ...result,
          fileAttributes: attributes.pinOptional(node, result.fileAttributes),
        }),
      }),
    fsstat: ({ fsroot }, ctx) =>
      nodes.call({
        procedure: 'fsstat',
        object: fsroot,
        ctx,
        ask: (server, handle, callCtx) => server.fsstat({ fsroot: handle }, callCtx),
        translate: (result, node) => ({
          ...result,
          objAttributes: attributes.pinOptional(node, result.objAttributes),
        }),
      }),
    fsinfo: ({ fsroot }, ctx) =>
      nodes.call({
        procedure: 'fsinfo',
        object: fsroot,
        ctx,
        ask: (server, handle, callCtx) => server.fsinfo({ fsroot: handle }, callCtx),
        translate: (result, node) => ({
          ...result,
          objAttributes: attributes.pinOptional(node, result.objAttributes),
        }),
      }),
    pathconf: ({ object }, ctx) =>
      nodes.call({
        procedure: 'pathconf',
        object,
        ctx,
        ask: (server, handle, callCtx) => server.pathconf({ object: handle }, callCtx),
        translate: (result, node) => ({
          ...result,
          objAttributes: attributes.pinOptional(node, result.objAttributes),
        }),
      }),
  };
  return service;
}

async function mount(
  service: Nfs3Service,
  root: Filehandle,
  dirpath: string,
  ctx: Nfs3Context,
): Promise<MountResult> {
  const walked = await walk(service, root, pathNames(dirpath), ctx);
  if (walked.status !== Nfsstat3.OK) return { status: mountstat3(walked.status) };
  const found = await service.getattr({ object: walked.object }, ctx);
  if (found.status !== Nfsstat3.OK) return { status: mountstat3(found.status) };
  if (found.attributes.type !== Ftype3.DIR) return { status: Mountstat3.NOTDIR };
  return { status: Mountstat3.OK, handle: walked.object, authFlavors: [AUTH_SYS] };
}

const mountStatuses = new Set<number>(Object.values(Mountstat3));

/** MNT's statuses have the numbers of NFS's, and are fewer. */
function mountstat3(status: Nfsstat3Error): Mountstat3Error {
  return mountStatuses.has(status) ? (status as Mountstat3Error) : Mountstat3.SERVERFAULT;
}
