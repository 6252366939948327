/**
 * The registry of rowfs: which version of an appliance is newest, who serves it, who uses it.
 * Start a node, then publish, resolve, announce, hold leases and collect garbage through it.
 */
export { createRegistryNode } from './node.ts';
export type { NodeData, RegistryNode, RegistryNodeOptions, RegistryNodeSettings } from './node.ts';
export { generateIdentity, isEd25519PeerId, loadKey, loadOrCreateKey } from './identity.ts';
export {
  announceKey,
  announceRevocation,
  protectedMandate,
  revokedMandate,
  successorMandate,
} from './key-change.ts';
export type { KeyChange } from './key-change.ts';
export { readMandate, writeMandate } from './mandate-file.ts';
export type { Identity } from './identity.ts';
export { formatApplianceId, parseApplianceId } from './appliance-id.ts';
export type { ApplianceId } from './appliance-id.ts';
export { formatServerAddress, NFS_PORT, parseServerAddress } from './records/server-address.ts';
export type { ServerAddress } from './records/server-address.ts';
export { channelsOf, keptVersion, STABLE } from './records/latest.ts';
export type { HistoryEntry, Latest, PublishedFile, SignedLatest } from './records/latest.ts';
export type { ServerEntry, SignedServerEntry } from './records/server-entry.ts';
export type { Sharer } from './records/lease.ts';
export { createPublisher } from './publisher.ts';
export type {
  DeletableVersion,
  Publisher,
  PublisherInit,
  PublishReport,
  PublishRequest,
} from './publisher.ts';
export { versionBefore } from './channel-moves.ts';
export type { ChannelMoves, ChannelReport } from './channel-moves.ts';
export { isOf, type Mandate } from './latest-writer.ts';
export { PublishedAppliances } from './published-appliances.ts';
export { keepRenewed } from './renewal.ts';
export type { KeepAlive } from './keep-alive.ts';
export { FleetFiles } from './fleet/fleet-files.ts';
export { createInvitation, redeemInvitation } from './fleet/invitation.ts';
export { Membership } from './fleet/membership.ts';
export { createResolver } from './resolver.ts';
export type {
  NewestRecord,
  Resolution,
  ResolvedServer,
  ResolveOptions,
  Resolver,
} from './resolver.ts';
export { countSharers, holdLease } from './sharer-lease.ts';
export type { SharerLease, VersionRef } from './sharer-lease.ts';
export { announceServer } from './server-announcement.ts';
export type { ServerAnnouncement, ServerAnnouncementOptions } from './server-announcement.ts';
export { planGc, versionsToDelete } from './gc/plan.ts';
export type { GcDecision, GcPlan, GcPolicy, GcReason, GcWorld } from './gc/plan.ts';
export { readGcWorld } from './gc/world.ts';
export { applyGc } from './gc/apply.ts';
export type { ApplyGcOptions, GcReport } from './gc/apply.ts';
export { scheduleGc } from './gc/schedule.ts';
export type { GcOccasion, GcSchedule, GcScheduleOptions, ScheduledGc } from './gc/schedule.ts';
export { isDeletable } from './gc/retirement.ts';
export { deletePermittedData } from './gc/delete-data.ts';
export type { ServedData } from './gc/delete-data.ts';
export { dataOf } from './gc/deletions.ts';
export type { VersionData } from './gc/deletions.ts';
export type { SharersRead, Tables } from './tables.ts';
export type { Peer } from './protocol/messages.ts';
export type { Clock, Timer } from './clock.ts';
// To run the tables on another network than libp2p, as the simulation does.
export { createNodeCore } from './node-core.ts';
export type { NodeCore, NodeCoreInit } from './node-core.ts';
export { memoryStore, type Store } from './store.ts';
export { compareDistance, peerKey, type KadKey } from './kad-key.ts';
export type { PeerTransport, RoutingTable } from './protocol/peer-transport.ts';
export type { Operation, RequestHandler, RequestOf, ResponseOf } from './protocol/messages.ts';
export { RecordRefusal, RegistryError } from './errors.ts';
export type { RefusalCode, RegistryErrorCode } from './errors.ts';
export {
  createRestServer,
  RestError,
  type ProcedureCounts,
  type RestErrorCode,
  type RestServer,
  type RestServerOptions,
  type Session,
  type SessionServer,
  type SessionSource,
} from './rest/index.ts';
