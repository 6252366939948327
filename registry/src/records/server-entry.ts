import { z } from 'zod';
import { isApplianceId, isVersion, parseApplianceId } from '../appliance-id.ts';
import { RecordRefusal } from '../errors.ts';
import { isEd25519PeerId, type Identity } from '../identity.ts';
import { openRecord, sameBytes, signRecord, type SignedRecord } from './signed-record.ts';
import { formatServerAddress, serverAddressSchema } from './server-address.ts';
import { authorityOf, checkSuccession, epochOf, keyProofsShape } from './succession.ts';
import type { KeyProofs } from './succession.ts';

/** The longest a server may announce itself ahead; it refreshes at half its TTL. */
export const MAX_SELF_ANNOUNCED_TTL_MS = 24 * 3600 * 1000;
/** The longest a publisher may vouch for a server that does not speak for itself. */
export const MAX_ENDORSED_TTL_MS = 366 * 24 * 3600 * 1000;

const DOMAIN = 'rowfs server v1';

const serverEntrySchema = z.strictObject({
  appliance: z.string().refine(isApplianceId, 'not an appliance id'),
  version: z.string().refine(isVersion, 'not a version'),
  /**
   * Who the entry is about: the peer id of a server that signs for itself, or the address
   * (`host:port:/path`) of an unmodified NFS server that the publisher vouches for.
   */
  server: z.string().max(400),
  address: serverAddressSchema,
  holdings: z.enum(['full', 'partial']),
  /** How busy the server says it is, 0 (idle) to 100 (full). */
  load: z.int().min(0).max(100),
  seq: z
    .int()
    .min(1)
    .max(2 ** 48),
  /** Milliseconds since the epoch. */
  expires: z.int().min(0),
  /** A tombstone: the server serves this version no more. Kept until `expires`. */
  withdrawn: z.boolean(),
  /** Of a publisher that vouches and whose key was changed. */
  succession: keyProofsShape.succession,
  /** In a tombstone: the server deleted its data, and had so many bytes of its disk in it. */
  freedBytes: z.int().min(0).exactOptional(),
});

/** One server of one version. */
export type ServerEntry = z.infer<typeof serverEntrySchema>;
export type SignedServerEntry = SignedRecord<ServerEntry>;

export function signServerEntry(payload: ServerEntry, key: Identity): SignedServerEntry {
  return signRecord(DOMAIN, payload, key);
}

/** Whether the appliance's publisher vouches for this server. */
export function isEndorsed({ payload, signer }: SignedServerEntry): boolean {
  // Only the publisher can speak of a server by its address.
  if (!isEd25519PeerId(payload.server)) return true;
  return signer === parseApplianceId(payload.appliance).publisher;
}

/** Orders entries of one server: a later key of the publisher counts before a larger seq. */
export function compareServerEntries(a: SignedServerEntry, b: SignedServerEntry): number {
  return epochOf(a.payload) - epochOf(b.payload) || a.payload.seq - b.payload.seq;
}

/** What a server entry is judged against. */
export interface ServerEntryContext {
  readonly appliance: string;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The newest entry of the same server seen so far. */
  readonly floor?: SignedServerEntry | undefined;
  /** What is known of the publisher's key: one that was replaced vouches for nothing any more. */
  readonly keyProofs?: KeyProofs | undefined;
}

/**
 * The one judge of server entries, at the storing node and at the reader.
 *
 * @throws RecordRefusal OVERSIZED, MALFORMED, FORGED_SIGNATURE, WRONG_PUBLISHER, WRONG_KEY,
 *   REVOKED_KEY, KEY_CONFLICT, ROLLBACK, EQUIVOCATION, EXPIRED
 */
export function validateServerEntry(
  bytes: Uint8Array,
  context: ServerEntryContext,
): SignedServerEntry {
  const entry = openRecord(DOMAIN, serverEntrySchema, bytes);
  const { payload, signer } = entry;
  checkSigner(entry);
  if (payload.appliance !== context.appliance || payload.version !== context.version) {
    throw new RecordRefusal(
      'WRONG_KEY',
      `a server entry of ${payload.appliance} ${payload.version} was found under the key of ${context.appliance} ${context.version}`,
    );
  }
  const { floor, now, keyProofs } = context;
  if (keyProofs?.succession !== undefined && isEndorsed(entry)) {
    const { succession } = keyProofs;
    checkSuccession(parseApplianceId(payload.appliance).publisher, payload, { succession });
  }
  const order = floor === undefined ? 1 : compareServerEntries(entry, floor);
  if (floor !== undefined && order < 0) {
    throw new RecordRefusal(
      'ROLLBACK',
      `server entry of ${payload.server} has seq ${payload.seq}, but seq ${floor.payload.seq} was seen already`,
    );
  }
  if (floor !== undefined && order === 0 && !sameBytes(floor.bytes, bytes)) {
    throw new RecordRefusal(
      'EQUIVOCATION',
      `${signer} signed two different server entries with seq ${payload.seq}`,
    );
  }
  if (payload.expires <= now) {
    throw new RecordRefusal(
      'EXPIRED',
      `server entry of ${payload.server} expired ${new Date(payload.expires).toISOString()}`,
    );
  }
  const limit = isEndorsed(entry) ? MAX_ENDORSED_TTL_MS : MAX_SELF_ANNOUNCED_TTL_MS;
  if (payload.expires > now + limit) {
    throw new RecordRefusal(
      'MALFORMED',
      `server entry of ${payload.server} expires ${new Date(payload.expires).toISOString()}: more than ${limit / 3_600_000} h ahead`,
    );
  }
  return entry;
}

/** A server speaks for itself, or the publisher speaks for it; nobody else does. */
function checkSigner({ payload, signer }: SignedServerEntry): void {
  if (isEd25519PeerId(payload.server)) {
    if (signer === payload.server) return;
    throw new RecordRefusal(
      'WRONG_PUBLISHER',
      `server entry of ${payload.server} is signed by ${signer}, not by that server`,
    );
  }
  if (payload.server !== formatServerAddress(payload.address)) {
    throw new RecordRefusal(
      'MALFORMED',
      `server entry is named ${payload.server}, neither its peer id nor its address`,
    );
  }
  const { publisher } = parseApplianceId(payload.appliance);
  if (signer !== authorityOf(publisher, payload).signer) {
    throw new RecordRefusal(
      'WRONG_PUBLISHER',
      `server entry of ${payload.server} is signed by ${signer}, not by the publisher of ${payload.appliance}`,
    );
  }
}
