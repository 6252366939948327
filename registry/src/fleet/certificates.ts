import { z } from 'zod';
import { RegistryError } from '../errors.ts';
import { isEd25519PeerId, type Identity } from '../identity.ts';
import { openRecord, signRecord, type SignedRecord } from '../records/signed-record.ts';

/** How many members can be revoked and not yet expired: the list is one record. */
export const MAX_REVOKED = 200;

const MEMBER_DOMAIN = 'rowfs member v1';
const NODE_DOMAIN = 'rowfs member node v1';
const JOIN_DOMAIN = 'rowfs join v1';
const REVOCATIONS_DOMAIN = 'rowfs revocations v1';

const peerId = z.string().refine(isEd25519PeerId, 'not an Ed25519 peer id');
const time = z.int().min(0);

const certificateSchema = z.strictObject({
  fleet: peerId,
  /** Whose certificate it is: the key of a machine, or, for an invitation, one made for it. */
  member: peerId,
  /** An invitation opens no connection: it is changed for a certificate of a member, once. */
  role: z.enum(['member', 'invitation']),
  /** Milliseconds since the epoch. */
  expires: time,
});

const nodeSchema = z.strictObject({ fleet: peerId, node: peerId });
const joinSchema = z.strictObject({ fleet: peerId, member: peerId });

const revocationsSchema = z.strictObject({
  fleet: peerId,
  /** Grows with each list; the one with the largest counts. */
  seq: z
    .int()
    .min(1)
    .max(2 ** 48),
  /** What was revoked and has not expired by itself. */
  revoked: z.array(z.strictObject({ member: peerId, expires: time })).max(MAX_REVOKED),
});

export type Certificate = z.infer<typeof certificateSchema>;
export type Revocations = z.infer<typeof revocationsSchema>;

export function signCertificate(payload: Certificate, fleetKey: Identity): Uint8Array {
  return signRecord(MEMBER_DOMAIN, payload, fleetKey).bytes;
}

export function signRevocations(payload: Revocations, fleetKey: Identity): Uint8Array {
  return signRecord(REVOCATIONS_DOMAIN, payload, fleetKey).bytes;
}

/** A member says that a node on the network is its own: one machine runs several. */
export function signNode(fleet: string, node: string, member: Identity): Uint8Array {
  return signRecord(NODE_DOMAIN, { fleet, node }, member).bytes;
}

/** Whoever has the key of an invitation asks for a certificate of `member`. */
export function signJoin(fleet: string, member: string, invitation: Identity): Uint8Array {
  return signRecord(JOIN_DOMAIN, { fleet, member }, invitation).bytes;
}

/** @throws RegistryError NOT_A_MEMBER; RecordRefusal */
export function openCertificate(bytes: Uint8Array, fleet: string, now: number): Certificate {
  const certificate = signedBy(openRecord(MEMBER_DOMAIN, certificateSchema, bytes), fleet, fleet);
  if (certificate.expires > now) return certificate;
  throw new RegistryError(
    'NOT_A_MEMBER',
    `the certificate of ${certificate.member} expired ${new Date(certificate.expires).toISOString()}: it has to join again`,
  );
}

/** @throws RegistryError NOT_A_MEMBER; RecordRefusal */
export function openNode(bytes: Uint8Array, fleet: string, member: string): string {
  return signedBy(openRecord(NODE_DOMAIN, nodeSchema, bytes), fleet, member).node;
}

/** @throws RegistryError NOT_A_MEMBER; RecordRefusal */
export function openJoin(bytes: Uint8Array, fleet: string, invitation: string): string {
  return signedBy(openRecord(JOIN_DOMAIN, joinSchema, bytes), fleet, invitation).member;
}

/** @throws RegistryError NOT_A_MEMBER; RecordRefusal */
export function openRevocations(bytes: Uint8Array, fleet: string): Revocations {
  return signedBy(openRecord(REVOCATIONS_DOMAIN, revocationsSchema, bytes), fleet, fleet);
}

function signedBy<T extends { readonly fleet: string }>(
  { payload, signer }: SignedRecord<T>,
  fleet: string,
  by: string,
): T {
  if (signer === by && payload.fleet === fleet) return payload;
  throw new RegistryError('NOT_A_MEMBER', `${signer} cannot say that for the fleet ${fleet}`);
}
