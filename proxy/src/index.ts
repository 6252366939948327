export { createProxy, type Proxy, type ProxyListenOptions, type ProxyOptions } from './proxy.ts';
export type { ProxyAddress, ProxyStatus } from './proxy-status.ts';
export { ProxyError, type ProxyErrorCode } from './proxy-error.ts';
export type { UpgradePolicy } from './session.ts';
export {
  type ImageServer,
  type Location,
  type Locator,
  type PublishedFile,
  serverAddress,
  staticLocator,
  type UseLease,
  type UseRegistry,
} from './locator.ts';
export {
  createFailover,
  DEFAULT_FAILOVER_TIMINGS,
  type Failover,
  type FailoverOptions,
  type FailoverTimings,
} from './failover/failover.ts';
export { serverOpener } from './failover/open-server.ts';
export type { OpenServer, ServerStatus } from './failover/replica.ts';
export { verifyServer, type VerifyServerOptions } from './published/verify-server.ts';
export { FetchError, type FetchErrorCode } from './fetch/fetch-error.ts';
export { readExportFile, type ReadExportFileOptions } from './published/read-export-file.ts';
export { FailoverError, type FailoverErrorCode } from './failover/failover-error.ts';
export { redirectOnWrite, type RedirectOnWriteOptions } from './row/layer.ts';
export {
  openShadow,
  type Shadow,
  type ShadowOptions,
  type ShadowOwner,
  type ShadowStatistics,
} from './shadow/shadow.ts';
export { fsck, type FsckOptions } from './fsck/fsck.ts';
export type { Problem, ProblemCode } from './fsck/problem.ts';
export {
  type Change,
  type ChangedAttribute,
  type ChangedContents,
  type ChangeKind,
  changesOf,
  type ObjectType,
} from './inspect/changes.ts';
export { CarryError } from './carry/carry-error.ts';
export { type CarryOptions, carryOver, type CarryReport } from './carry/carry-over.ts';
export type { Conflict } from './carry/verdict.ts';
export { exportLayer, type ExportOptions } from './export/export-layer.ts';
export { SharedLowers } from './lower/shared-lowers.ts';
export { type MergedTree, type MergedTreeOptions, openMergedTree } from './inspect/merged-tree.ts';
export { clearDiscarded, discardShadow } from './inspect/discard-shadow.ts';
export { SessionFile, type SessionRecord } from './session-file.ts';
export { listShadows, type ShadowSummary } from './inspect/list-shadows.ts';
export { printableName } from './inspect/printable-name.ts';
export { readShadow } from './inspect/read-shadow.ts';
export type { SpaceLimits, SpaceStatistics } from './shadow/space.ts';
export { ShadowError, type ShadowErrorCode } from './shadow/shadow-error.ts';
export { RecordStore, RecordStoreError } from './store/record-store.ts';
export { BlockCache, type BlockCacheOptions, type CacheUsage } from './block-cache/block-cache.ts';
export { CacheError, type CacheErrorCode } from './block-cache/cache-error.ts';
export type { CachedImage } from './block-cache/cached-image.ts';
export { type Pin, pinImage, pinsIn, unpinImage } from './block-cache/pins.ts';
export type { CacheLimits } from './block-cache/space.ts';
export {
  BlockReader,
  type BlockReaderStatistics,
  type PrefetchResult,
} from './block-reader/block-reader.ts';
export type { BlockFetcher, Urgency } from './block-reader/block-fetcher.ts';
export {
  blocksOfProfile,
  type BootProfile,
  mergeProfiles,
  profileOfBoot,
  type ProfileRun,
} from './boot-profile/boot-profile.ts';
export { ProfileError, type ProfileErrorCode } from './boot-profile/profile-error.ts';
export { BootRecord, profilePath, readProfile } from './boot-profile/profile-files.ts';
export { decodeProfile, encodeProfile } from './boot-profile/profile-format.ts';
export { findImage, type FindImageOptions, type FoundImage } from './published/find-image.ts';
export {
  forgetManifest,
  keepManifest,
  keptDigests,
  keptManifestPath,
  readKeptImage,
} from './published/kept-manifests.ts';
export {
  blockCacheDirectory,
  warmCache,
  type WarmCacheOptions,
  type WarmCacheResult,
} from './lower/warm-cache.ts';
