import type { RpcContext } from '@rowfs/oncrpc';
import type { MountResult } from './mount/mnt.ts';
import type { AccessArgs, AccessResult } from './procedures/access.ts';
import type { CommitArgs, CommitResult } from './procedures/commit.ts';
import type { CreateArgs, CreateResult } from './procedures/create.ts';
import type { FsinfoArgs, FsinfoResult } from './procedures/fsinfo.ts';
import type { FsstatArgs, FsstatResult } from './procedures/fsstat.ts';
import type { GetattrArgs, GetattrResult } from './procedures/getattr.ts';
import type { LinkArgs, LinkResult } from './procedures/link.ts';
import type { LookupArgs, LookupResult } from './procedures/lookup.ts';
import type { MkdirArgs, MkdirResult } from './procedures/mkdir.ts';
import type { MknodArgs, MknodResult } from './procedures/mknod.ts';
import type { PathconfArgs, PathconfResult } from './procedures/pathconf.ts';
import type { ReadArgs, ReadResult } from './procedures/read.ts';
import type { ReaddirArgs, ReaddirResult } from './procedures/readdir.ts';
import type { ReaddirplusArgs, ReaddirplusResult } from './procedures/readdirplus.ts';
import type { ReadlinkArgs, ReadlinkResult } from './procedures/readlink.ts';
import type { RemoveArgs, RemoveResult } from './procedures/remove.ts';
import type { RenameArgs, RenameResult } from './procedures/rename.ts';
import type { RmdirArgs, RmdirResult } from './procedures/rmdir.ts';
import type { SetattrArgs, SetattrResult } from './procedures/setattr.ts';
import type { SymlinkArgs, SymlinkResult } from './procedures/symlink.ts';
import type { WriteArgs, WriteResult } from './procedures/write.ts';

/** Who calls, and whether the answer is still wanted. Passed along, never ambient. */
export type Nfs3Context = RpcContext;

/**
 * One NFSv3 server, wherever it is: the 22 procedures of RFC 1813, and MNT to find the root.
 *
 * Status is part of the answer. A method rejects only when there is no answer: the transport failed,
 * or the caller gave up (`ctx.signal`). Calls may run at the same time, in any number; an operation
 * whose answer was given is seen by every call made afterwards.
 *
 * Handles are made by the service and mean nothing elsewhere: whoever stacks on a service hands its
 * handles back as they came, or keeps its own and a map.
 */
export interface Nfs3Service {
  /** Nothing, to see that the server answers. */
  null(ctx: Nfs3Context): Promise<void>;
  getattr(args: GetattrArgs, ctx: Nfs3Context): Promise<GetattrResult>;
  setattr(args: SetattrArgs, ctx: Nfs3Context): Promise<SetattrResult>;
  lookup(args: LookupArgs, ctx: Nfs3Context): Promise<LookupResult>;
  access(args: AccessArgs, ctx: Nfs3Context): Promise<AccessResult>;
  readlink(args: ReadlinkArgs, ctx: Nfs3Context): Promise<ReadlinkResult>;
  /**
   * `data` is handed on by reference: whoever gets it must not change it. It is valid until
   * `ctx.reply` ends, and without one for ever: who keeps it beyond that, or shares it with a call of
   * another context, copies it.
   */
  read(args: ReadArgs, ctx: Nfs3Context): Promise<ReadResult>;
  /** `data` is only valid until the promise settles: who keeps it, copies it. */
  write(args: WriteArgs, ctx: Nfs3Context): Promise<WriteResult>;
  create(args: CreateArgs, ctx: Nfs3Context): Promise<CreateResult>;
  mkdir(args: MkdirArgs, ctx: Nfs3Context): Promise<MkdirResult>;
  symlink(args: SymlinkArgs, ctx: Nfs3Context): Promise<SymlinkResult>;
  mknod(args: MknodArgs, ctx: Nfs3Context): Promise<MknodResult>;
  remove(args: RemoveArgs, ctx: Nfs3Context): Promise<RemoveResult>;
  rmdir(args: RmdirArgs, ctx: Nfs3Context): Promise<RmdirResult>;
  rename(args: RenameArgs, ctx: Nfs3Context): Promise<RenameResult>;
  link(args: LinkArgs, ctx: Nfs3Context): Promise<LinkResult>;
  /** Cookies are stable: an entry that was neither added nor removed meanwhile is seen exactly once. */
  readdir(args: ReaddirArgs, ctx: Nfs3Context): Promise<ReaddirResult>;
  readdirplus(args: ReaddirplusArgs, ctx: Nfs3Context): Promise<ReaddirplusResult>;
  fsstat(args: FsstatArgs, ctx: Nfs3Context): Promise<FsstatResult>;
  fsinfo(args: FsinfoArgs, ctx: Nfs3Context): Promise<FsinfoResult>;
  pathconf(args: PathconfArgs, ctx: Nfs3Context): Promise<PathconfResult>;
  /** Answers only when what was written is on stable storage. */
  commit(args: CommitArgs, ctx: Nfs3Context): Promise<CommitResult>;
  /** MNT of MOUNT version 3: the handle of the directory at `dirpath`, which is absolute. */
  mount(dirpath: string, ctx: Nfs3Context): Promise<MountResult>;
}

/** A layer is a function of its lower. */
export type Nfs3Layer = (lower: Nfs3Service) => Nfs3Service;

/** Stacks layers on a service; the last one is on top. */
export function stack(bottom: Nfs3Service, ...layers: readonly Nfs3Layer[]): Nfs3Service {
  return layers.reduce((lower, layer) => layer(lower), bottom);
}
