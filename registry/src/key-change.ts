import { parseApplianceId } from './appliance-id.ts';
import { Endorsements } from './endorsements.ts';
import { RegistryError } from './errors.ts';
import type { Identity } from './identity.ts';
import {
  LatestWriter,
  type LatestDraft,
  type LatestWriterInit,
  type Mandate,
} from './latest-writer.ts';
import type { RegistryNode } from './node.ts';
import { MAX_SEQ, signLatest, type Latest, type SignedLatest } from './records/latest.ts';
import { authorityOf, MAX_SUCCESSION, openRecovery } from './records/succession.ts';
import { signRecovery, signSuccession } from './records/succession.ts';
import { validityOf } from './records/validity.ts';
import type { HoldersRead } from './tables.ts';

/** The mandate of `key` after it named the one key that may replace it; the first one named stays. */
export function protectedMandate(mandate: Mandate, key: Identity, recovery: string): Mandate {
  if (mandate.recovery !== undefined) {
    throw new RegistryError('KEY_CONFLICT', 'a recovery key was named already, and stays');
  }
  const { publisher } = mandate;
  return { ...mandate, recovery: signRecovery({ publisher, recovery }, key) };
}

/** A change of the key that signs for a publisher. */
export interface KeyChange {
  readonly mandate: Mandate;
  /** The recovery key where one was named, and otherwise the key that is replaced. */
  readonly by: Identity;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The mandate of `successor`; protected by the same recovery key, if there is one. */
export function successorMandate(change: KeyChange, successor: Identity): Mandate {
  const { recovery } = change.mandate;
  const mandate = changedMandate(change, successor.peerId);
  return recovery === undefined ? mandate : protectedMandate(mandate, successor, change.by.peerId);
}

/** The proof that nobody signs for the publisher any more. */
export function revokedMandate(change: KeyChange): Mandate {
  return changedMandate(change, null);
}

function changedMandate({ mandate, by, at }: KeyChange, to: string | null): Mandate {
  const { publisher, succession = [], recovery } = mandate;
  const { signer: from } = authorityOf(publisher, mandate);
  const allowed = recovery === undefined ? from : openRecovery(recovery, publisher, from).recovery;
  if (by.peerId !== allowed) {
    throw new RegistryError(
      'WRONG_PUBLISHER',
      `the key ${from} is replaced or revoked by ${allowed}${recovery === undefined ? '' : ', its recovery key'}, not by ${by.peerId}`,
    );
  }
  if (succession.length >= MAX_SUCCESSION) {
    throw new RegistryError(
      'QUOTA_EXCEEDED',
      `the key of ${publisher} was changed ${MAX_SUCCESSION} times: begin with a new publisher's key`,
    );
  }
  const link = signSuccession({ publisher, from, to, at, recovery: recovery ?? null }, by);
  return { publisher, succession: [...succession, link] };
}

/**
 * Signs an appliance's record and endorsements by the key that signs now, with the proofs that it
 * may. With `keep`, only these versions stay: what a thief of the former key has published goes.
 *
 * @throws RegistryError APPLIANCE_NOT_FOUND, VERSION_NOT_FOUND, REPLICATION_FLOOR, KEY_REVOKED
 */
export async function announceKey(
  init: LatestWriterInit,
  appliance: string,
  keep?: readonly string[],
): Promise<SignedLatest> {
  const writer = new LatestWriter(init);
  const endorsements = new Endorsements(writer, init.key);
  const base = await writer.newestPublished(appliance);
  const kept = keep === undefined ? base.payload : onlyVersions(base.payload, keep);
  const draft = { ...kept, ...validityOf(base.payload, init.node.clock.now()) };
  for (const { version } of draft.history) {
    const endorsed = await endorsements.list(appliance, version);
    const servers = endorsed.map(({ payload }) => payload.address);
    await endorsements.endorse(appliance, version, servers, draft.validUntil);
  }
  return (await writer.writeAndReadBack(draft, base)).record;
}

/** Tells that nobody signs for an appliance any more: who reads it runs nothing of it. */
export async function announceRevocation(
  node: RegistryNode,
  by: Identity,
  { publisher, succession = [] }: Mandate,
  appliance: string,
): Promise<HoldersRead> {
  if (parseApplianceId(appliance).publisher !== publisher) {
    throw new RegistryError('WRONG_PUBLISHER', `${appliance} is not of the publisher ${publisher}`);
  }
  const writer = new LatestWriter({ node, key: by, mandate: { publisher, succession } });
  const base = await writer.newestPublished(appliance);
  const record = base.revokedAt === undefined ? revocationOf(base, succession, by) : base;
  await node.tables.putLatest(record);
  const count = (): Promise<HoldersRead> => node.tables.countLatestHolders(record);
  return writer.readBack(`revocation of ${appliance}`, count);
}

/** The last record of all: of it, only that the key is revoked counts. */
function revocationOf(
  { payload }: SignedLatest,
  succession: readonly Uint8Array[],
  by: Identity,
): SignedLatest {
  const { appliance, version, channels, published, validUntil, history } = payload;
  const said = { appliance, version, channels, published, validUntil, history };
  const seq = payload.seq < MAX_SEQ ? payload.seq + 1 : 1;
  return signLatest({ ...said, seq, succession: [...succession] }, by);
}

function onlyVersions(latest: Latest, keep: readonly string[]): LatestDraft {
  const { appliance, channels, validUntil } = latest;
  const history = latest.history.filter(({ version }) => keep.includes(version));
  const [newest] = [...history].sort((a, b) => b.published - a.published);
  if (newest === undefined) {
    throw new RegistryError('VERSION_NOT_FOUND', `${appliance} has none of ${keep.join(', ')}`);
  }
  const isKept = (version: string): boolean => history.some((each) => each.version === version);
  return {
    appliance,
    version: isKept(latest.version) ? latest.version : newest.version,
    channels: Object.fromEntries(Object.entries(channels).filter(([, at]) => isKept(at))),
    validUntil,
    history,
  };
}
