import { z } from 'zod';
import { isApplianceId, isVersion, parseApplianceId } from '../appliance-id.ts';
import { RecordRefusal } from '../errors.ts';
import type { Identity } from '../identity.ts';
import { openRecord, sameBytes, signRecord, type SignedRecord } from './signed-record.ts';

/** How many versions of an appliance its publisher can keep at a time. */
export const MAX_HISTORY = 64;
/** No publisher can sign further ahead than this: a stolen record ends some day. */
export const MAX_LATEST_VALIDITY_MS = 366 * 24 * 3600 * 1000;

const DIGEST_BYTES = 32;
const DOMAIN = 'rowfs latest v1';

const timestamp = z.int().min(0);
const sequence = z
  .int()
  .min(1)
  .max(2 ** 48);
const version = z.string().refine(isVersion, 'not a version');
/** A BLAKE3 digest. */
const digest = (z.instanceof(Uint8Array) as z.ZodType<Uint8Array>).refine(
  (bytes) => bytes.length === DIGEST_BYTES,
  'not a digest of 32 bytes',
);

const historyEntrySchema = z.strictObject({
  version,
  /** When the publisher first published it, ms since the epoch by the publisher's clock. */
  published: timestamp,
  /** The digest of the manifest of its image: all that servers send is judged by it. Null: plain NFS exports. */
  manifest: digest.nullable(),
  /** The digest of its boot profile: what is fetched ahead. */
  bootProfile: digest.nullable(),
});

const latestSchema = z
  .strictObject({
    appliance: z.string().refine(isApplianceId, 'not an appliance id'),
    /** Grows with every record of this appliance; a smaller one is never accepted again. */
    seq: sequence,
    /** The version to run now; always the first of `history`'s entries or another of them. */
    version,
    /** Channel name -> version, e.g. `{ stable: "41", beta: "42" }`. */
    channels: z.record(z.string().regex(/^[a-z][a-z0-9-]{0,31}$/), version),
    published: timestamp,
    /** After this a reader says "stale since" (ms since the epoch). */
    validUntil: timestamp,
    /** The versions the publisher keeps, newest first. A version that is absent is retired. */
    history: z.array(historyEntrySchema).min(1).max(MAX_HISTORY),
  })
  .refine(
    ({ history, version: current }) => history.some((entry) => entry.version === current),
    'history lacks the current version',
  )
  .refine(
    ({ history }) => new Set(history.map((entry) => entry.version)).size === history.length,
    'history names a version twice',
  );

/** What the publisher says about an appliance: which version is newest, which ones are kept. */
export type Latest = z.infer<typeof latestSchema>;
/** One kept version inside a `Latest`. */
export type HistoryEntry = z.infer<typeof historyEntrySchema>;
export type SignedLatest = SignedRecord<Latest>;

/** What the publisher says about one version; undefined when it does not keep it. */
export function keptVersion({ history }: Latest, version: string): HistoryEntry | undefined {
  return history.find((kept) => kept.version === version);
}

export function signLatest(payload: Latest, key: Identity): SignedLatest {
  return signRecord(DOMAIN, payload, key);
}

/** What a `latest` record is judged against. */
export interface LatestContext {
  /** The appliance whose key the record was put or read under. */
  readonly appliance: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The newest record seen so far: the floor below which nothing is accepted. */
  readonly floor?: SignedLatest | undefined;
}

/**
 * The one judge of `latest` records, at the storing node and at the reader.
 *
 * @throws RecordRefusal OVERSIZED, MALFORMED, FORGED_SIGNATURE, WRONG_PUBLISHER, WRONG_KEY,
 *   ROLLBACK (seq below the floor), EQUIVOCATION (the floor's seq, other bytes), EXPIRED
 */
export function validateLatest(bytes: Uint8Array, context: LatestContext): SignedLatest {
  const record = openLatest(bytes, context.appliance);
  const { floor, now } = context;
  const { payload } = record;
  if (floor !== undefined && payload.seq < floor.payload.seq) {
    throw new RecordRefusal(
      'ROLLBACK',
      `latest record of ${payload.appliance} has seq ${payload.seq}, but seq ${floor.payload.seq} was seen already`,
    );
  }
  if (floor?.payload.seq === payload.seq && !sameBytes(floor.bytes, bytes)) {
    throw new RecordRefusal(
      'EQUIVOCATION',
      `the publisher of ${payload.appliance} signed two different records with seq ${payload.seq}`,
    );
  }
  if (payload.validUntil <= now) {
    throw new RecordRefusal(
      'EXPIRED',
      `latest record of ${payload.appliance} was valid until ${new Date(payload.validUntil).toISOString()}: its publisher has to publish again`,
    );
  }
  if (payload.validUntil > now + MAX_LATEST_VALIDITY_MS) {
    throw new RecordRefusal(
      'MALFORMED',
      `latest record of ${payload.appliance} claims to be valid until ${new Date(payload.validUntil).toISOString()}: more than ${MAX_LATEST_VALIDITY_MS / 86_400_000} days ahead`,
    );
  }
  return record;
}

/**
 * Opens a record that was accepted before and may have expired since, such as a stored floor.
 *
 * @throws RecordRefusal OVERSIZED, MALFORMED, FORGED_SIGNATURE, WRONG_PUBLISHER, WRONG_KEY
 */
export function openLatest(bytes: Uint8Array, appliance: string): SignedLatest {
  const record = openRecord(DOMAIN, latestSchema, bytes);
  const { publisher } = parseApplianceId(record.payload.appliance);
  if (record.signer !== publisher) {
    throw new RecordRefusal(
      'WRONG_PUBLISHER',
      `latest record of ${record.payload.appliance} is signed by ${record.signer}, not by its publisher`,
    );
  }
  if (record.payload.appliance !== appliance) {
    throw new RecordRefusal(
      'WRONG_KEY',
      `a latest record of ${record.payload.appliance} was found under the key of ${appliance}`,
    );
  }
  return record;
}
