import { z } from 'zod';
import { RecordRefusal } from '../errors.ts';
import { isEd25519PeerId, type Identity } from '../identity.ts';
import { openRecord, sameBytes, signRecord } from './signed-record.ts';

/** How often a publisher can change its key: the proofs travel with each of its records. */
export const MAX_SUCCESSION = 6;

const RECOVERY_DOMAIN = 'rowfs recovery v1';
const SUCCESSION_DOMAIN = 'rowfs succession v1';

const peerId = z.string().refine(isEd25519PeerId, 'not an Ed25519 peer id');
const bytes = z.instanceof(Uint8Array) as z.ZodType<Uint8Array>;

const recoverySchema = z.strictObject({
  /** The key in the ids of the publisher's appliances. */
  publisher: peerId,
  /** The key that signs for the publisher now, and names: */
  key: peerId,
  /** the one key that may replace or revoke it, kept where nobody steals both. */
  recovery: peerId,
});

const successionSchema = z.strictObject({
  publisher: peerId,
  from: peerId,
  /** Who signs for the publisher from now on. Null: nobody, the key is revoked. */
  to: peerId.nullable(),
  /** Milliseconds since the epoch, by the signer's clock. */
  at: z.int().min(0),
  /** The statement of `from` that named the signer of this as its recovery key; null: `from` signs itself. */
  recovery: bytes.nullable(),
});

export type Recovery = z.infer<typeof recoverySchema>;
export type Succession = z.infer<typeof successionSchema>;

/** The proofs that travel with the records of a publisher whose key was changed or protected. */
export interface KeyProofs {
  /** Each change of the key since the one in the id, oldest first; absent: none. */
  readonly succession?: Uint8Array[] | undefined;
  /** The statement of the key that signs now about its recovery key. */
  readonly recovery?: Uint8Array | undefined;
}

export const keyProofsShape = {
  succession: z.array(bytes).min(1).max(MAX_SUCCESSION).optional(),
  recovery: bytes.optional(),
};

/** Who may sign for a publisher, after all that is proven. */
export interface Authority {
  readonly signer: string;
  /** When it was revoked, ms since the epoch; the last signer then only tells that. */
  readonly revokedAt: number | undefined;
}

/** `key` names its recovery key: from the first time that this is seen, no other may replace it. */
export function signRecovery(payload: Omit<Recovery, 'key'>, key: Identity): Uint8Array {
  return signRecord(RECOVERY_DOMAIN, { ...payload, key: key.peerId }, key).bytes;
}

/** Replaces (`to`) or revokes (null) the key `from`; signed by its recovery key, or else by itself. */
export function signSuccession(payload: Succession, key: Identity): Uint8Array {
  return signRecord(SUCCESSION_DOMAIN, payload, key).bytes;
}

/** @throws RecordRefusal MALFORMED, FORGED_SIGNATURE, WRONG_PUBLISHER */
export function openRecovery(statement: Uint8Array, publisher: string, key: string): Recovery {
  const { payload, signer } = openRecord(RECOVERY_DOMAIN, recoverySchema, statement);
  if (signer !== key || payload.key !== key || payload.publisher !== publisher) {
    throw new RecordRefusal('WRONG_PUBLISHER', `a recovery key of ${key} was named by ${signer}`);
  }
  return payload;
}

/**
 * Follows a publisher's key from the one in its ids to the one that signs now.
 *
 * @throws RecordRefusal MALFORMED, FORGED_SIGNATURE, WRONG_PUBLISHER
 */
export function authorityOf(
  publisher: string,
  { succession = [], recovery }: KeyProofs,
): Authority {
  let signer = publisher;
  let revokedAt: number | undefined;
  for (const link of succession) {
    if (revokedAt !== undefined) {
      throw new RecordRefusal('MALFORMED', `the key ${signer} was revoked, nothing follows it`);
    }
    const { payload, signer: by } = openLink(link);
    const { from, to, at } = payload;
    const allowed =
      payload.recovery === null ? from : openRecovery(payload.recovery, publisher, from).recovery;
    if (payload.publisher !== publisher || from !== signer || by !== allowed) {
      throw new RecordRefusal('WRONG_PUBLISHER', `${by} cannot replace the key ${signer}`);
    }
    if (to === null) revokedAt = at;
    signer = to ?? by;
  }
  if (recovery !== undefined) openRecovery(recovery, publisher, signer);
  return { signer, revokedAt };
}

/**
 * Judges what is newly said of a publisher's key by what was seen before: what was seen first
 * stays, but a revocation ends a key whatever else was said of its successor.
 *
 * @throws RecordRefusal REVOKED_KEY (signed by a key that was replaced), KEY_CONFLICT (another
 *   successor, or another recovery key, than the one that was seen first)
 */
export function checkSuccession(publisher: string, next: KeyProofs, seen: KeyProofs): void {
  const before = seen.succession ?? [];
  const now = next.succession ?? [];
  const fork = before.findIndex((link, i) => now[i] === undefined || !sameBytes(link, now[i]));
  const seenLink = before[fork];
  if (seenLink !== undefined) {
    const other = now[fork];
    if (other === undefined) throw replaced(publisher, seenLink);
    const [held, told] = [openLink(seenLink).payload, openLink(other).payload];
    const isAllowed = held.recovery === null || sameStatement(held.recovery, told.recovery);
    if (told.to === null && held.to !== null && isAllowed) return;
    throw conflict(publisher, 'successor');
  }
  if (seen.recovery === undefined) return;
  const link = now[before.length];
  const statement = link === undefined ? next.recovery : openLink(link).payload.recovery;
  if (!sameStatement(seen.recovery, statement)) throw conflict(publisher, 'recovery key');
}

/** How many times the key was changed: what a later key says counts before what an earlier one said. */
export function epochOf({ succession = [] }: KeyProofs): number {
  return succession.length;
}

/** @throws RecordRefusal MALFORMED, FORGED_SIGNATURE */
function openLink(link: Uint8Array): { payload: Succession; signer: string } {
  return openRecord(SUCCESSION_DOMAIN, successionSchema, link);
}

function sameStatement(a: Uint8Array, b: Uint8Array | null | undefined): boolean {
  return b !== null && b !== undefined && sameBytes(a, b);
}

function replaced(publisher: string, link: Uint8Array): RecordRefusal {
  const { from, to, at } = openLink(link).payload;
  const how = to === null ? 'revoked' : `replaced by ${to}`;
  return new RecordRefusal(
    'REVOKED_KEY',
    `the key ${from} of the publisher ${publisher} was ${how} ${new Date(at).toISOString()}: it publishes nothing any more`,
  );
}

function conflict(publisher: string, what: string): RecordRefusal {
  return new RecordRefusal(
    'KEY_CONFLICT',
    `the publisher ${publisher} has another ${what} than was seen first: its key may be stolen, ask its owner`,
  );
}
