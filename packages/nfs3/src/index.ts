export { asCaller } from './context.ts';
export {
  Mountstat3,
  type Mountstat3Error,
  Nfsstat3,
  type Nfsstat3Error,
  nfsstat3Name,
} from './status.ts';
export {
  Access3,
  type Diropargs3,
  type Fattr3,
  type Filehandle,
  type Filename,
  FsinfoProperties,
  Ftype3,
  NAME_MAX,
  NFS3_FHSIZE,
  type Nfspath,
  type Nfstime3,
  PATH_MAX,
  type PostOpAttr,
  type Sattr3,
  type SetTime,
  type Specdata3,
  StableHow,
  UNCHANGED,
  type Verf3,
  type WccAttr,
  type WccData,
} from './types.ts';
export { type Nfs3Context, type Nfs3Layer, type Nfs3Service, stack } from './service.ts';
export {
  type ArgsOf,
  everyProcedure,
  type ProcedureHandler,
  type Procedures,
  type ResultOf,
} from './every-procedure.ts';
export { failure, type FailureOf } from './failure.ts';
export { resultBytes, resultOfBytes } from './result-bytes.ts';
export { readOnlyRefusals, refusals } from './refusals.ts';
export { Nfs3Error } from './error.ts';
export { pathNames, walk, type WalkResult } from './walk.ts';
export { listDirectory } from './list-directory.ts';
export { procedures, procedureNames, type ProcedureName } from './procedures/table.ts';
export type { ProcedureCodec, Result } from './procedures/procedure.ts';
export type { NewObjectResult } from './procedures/new-object.ts';
export type { MountEntry } from './mount/dump.ts';
export type { ExportEntry } from './mount/export.ts';
export type { MountResult } from './mount/mnt.ts';
export { createMountTable, type MountTable } from './mount/mount-table.ts';
export type { Dirpath } from './mount/types.ts';
export { MOUNT3_PROGRAM, NFS3_PROGRAM } from './programs.ts';
export {
  connectNfs3,
  type RemoteNfs3Service,
  type RemoteServiceOptions,
} from './remote-service.ts';
export { listenNfs3, type Nfs3Listener, type Nfs3ListenOptions } from './server/listen.ts';
export { listenMount, type MountListener, type MountListenOptions } from './server/listen-mount.ts';
export { mountProgram, type MountProgramOptions } from './server/mount-program.ts';
export { nfs3Program } from './server/nfs3-program.ts';
export type { GetattrArgs, GetattrResult } from './procedures/getattr.ts';
export type { SetattrArgs, SetattrResult } from './procedures/setattr.ts';
export type { LookupArgs, LookupResult } from './procedures/lookup.ts';
export type { AccessArgs, AccessResult } from './procedures/access.ts';
export type { ReadlinkArgs, ReadlinkResult } from './procedures/readlink.ts';
export type { ReadArgs, ReadResult } from './procedures/read.ts';
export type { WriteArgs, WriteResult } from './procedures/write.ts';
export type { CreateArgs, CreateResult, Createhow3 } from './procedures/create.ts';
export type { MkdirArgs, MkdirResult } from './procedures/mkdir.ts';
export type { SymlinkArgs, SymlinkResult } from './procedures/symlink.ts';
export type { MknodArgs, MknodResult, Mknoddata3 } from './procedures/mknod.ts';
export type { RemoveArgs, RemoveResult } from './procedures/remove.ts';
export type { RmdirArgs, RmdirResult } from './procedures/rmdir.ts';
export type { RenameArgs, RenameResult } from './procedures/rename.ts';
export type { LinkArgs, LinkResult } from './procedures/link.ts';
export type { ReaddirArgs, ReaddirResult, DirEntry } from './procedures/readdir.ts';
export type { ReaddirplusArgs, ReaddirplusResult, DirEntryPlus } from './procedures/readdirplus.ts';
export type { FsstatArgs, FsstatResult, Fsstat } from './procedures/fsstat.ts';
export type { FsinfoArgs, FsinfoResult, Fsinfo } from './procedures/fsinfo.ts';
export type { PathconfArgs, PathconfResult, Pathconf } from './procedures/pathconf.ts';
export type { CommitArgs, CommitResult } from './procedures/commit.ts';
export { dirEntryBytes, READDIR_OVERHEAD_BYTES } from './procedures/readdir.ts';
export { dirEntryPlusBytes, encodedEntriesPlus } from './procedures/readdirplus.ts';
export { MAX_TRANSFER_BYTES } from './procedures/procedure.ts';
export { nullLayer } from './layers/null-layer.ts';
export { squash, type Squash, type SquashOptions } from './layers/squash.ts';
export {
  createLocalDirectory,
  type LocalDirectory,
  type LocalDirectoryOptions,
} from './local-directory/local-directory.ts';
export { LocalDirectoryError, type LocalDirectoryErrorCode } from './local-directory/error.ts';
export {
  actsAsOwner,
  callerGid,
  callerUid,
  checkAccess,
  inGroup,
  mayRead,
  mayUnlink,
  mayWrite,
  ModeBits,
  modeBitsOf,
} from './permissions.ts';
export {
  type LatencySummary,
  type ProcedureStatistics,
  statistics,
  type Statistics,
  type StatisticsName,
  type StatisticsSnapshot,
} from './layers/statistics.ts';
