import { z } from 'zod';
import { isApplianceId, isVersion, parseApplianceId } from '../appliance-id.ts';
import { RecordRefusal } from '../errors.ts';
import type { Identity } from '../identity.ts';
import { openRecord, sameBytes, signRecord, type SignedRecord } from './signed-record.ts';
import { authorityOf, checkSuccession, epochOf, keyProofsShape } from './succession.ts';

/** How many versions of an appliance its publisher can keep at a time. */
export const MAX_HISTORY = 64;
/** No publisher can sign further ahead than this: a stolen record ends some day. */
export const MAX_LATEST_VALIDITY_MS = 366 * 24 * 3600 * 1000;
/** How far ahead of the reader's a publisher's clock may be. */
export const MAX_CLOCK_AHEAD_MS = 24 * 3600 * 1000;
/** The channel of machines that were told none: what it points at is the record's `version`. */
export const STABLE = 'stable';
/** The largest sequence number. */
export const MAX_SEQ = 2 ** 48;
/** The manifest of some two million files. */
const MAX_PUBLISHED_FILE_BYTES = 256 * 1024 * 1024;

const DIGEST_BYTES = 32;
const DOMAIN = 'rowfs latest v1';

const timestamp = z.int().min(0);
const sequence = z.int().min(1).max(MAX_SEQ);
const version = z.string().refine(isVersion, 'not a version');
/** A BLAKE3 digest. */
const digest = (z.instanceof(Uint8Array) as z.ZodType<Uint8Array>).refine(
  (bytes) => bytes.length === DIGEST_BYTES,
  'not a digest of 32 bytes',
);

/** A file that servers have of a version: by size and digest readers judge what a server sends for it. */
const publishedFileSchema = z.strictObject({
  digest,
  bytes: z.int().min(1).max(MAX_PUBLISHED_FILE_BYTES),
});

const historyEntrySchema = z.strictObject({
  version,
  /** When the publisher first published it, ms since the epoch by the publisher's clock. */
  published: timestamp,
  /** The manifest of its image: all that servers send is judged by it. Null: plain NFS exports. */
  manifest: publishedFileSchema.nullable(),
  /** Its boot profile: what is fetched ahead. */
  bootProfile: publishedFileSchema.nullable(),
});

const latestSchema = z
  .strictObject({
    appliance: z.string().refine(isApplianceId, 'not an appliance id'),
    /** Grows with every record of this appliance; a smaller one is never accepted again. */
    seq: sequence,
    /** The version to run now, the newest or, after a rollback, an older one; it is in `history`. */
    version,
    /** The channels besides `stable`, e.g. `{ beta: "42" }`. */
    channels: z.record(z.string().regex(/^[a-z][a-z0-9-]{0,31}$/), version),
    published: timestamp,
    /** After this a reader says "stale since" (ms since the epoch). */
    validUntil: timestamp,
    /** The versions the publisher keeps, newest first. */
    history: z.array(historyEntrySchema).min(1).max(MAX_HISTORY),
    /** Versions that gc took out of the history: not to be mounted any more; any use brings one back. */
    retired: z.array(historyEntrySchema).max(MAX_HISTORY).exactOptional(),
    /** Versions that were retired for a full lease and not used: their servers may delete the data. */
    deletable: z.array(version).max(MAX_HISTORY).exactOptional(),
    ...keyProofsShape,
  })
  .refine(
    ({ history, version: current }) => history.some((entry) => entry.version === current),
    'history lacks the current version',
  )
  .refine(
    ({ history, retired = [], deletable = [] }) =>
      areDistinct([...history, ...retired].map((entry) => entry.version).concat(deletable)),
    'history, retired and deletable name a version twice',
  );

function areDistinct(versions: readonly string[]): boolean {
  return new Set(versions).size === versions.length;
}

/** What the publisher says about an appliance: which version is newest, which ones are kept. */
export type Latest = z.infer<typeof latestSchema>;
/** The digest, BLAKE3, and the size of a file that was published with a version. */
export type PublishedFile = z.infer<typeof publishedFileSchema>;
/** One kept version inside a `Latest`. */
export type HistoryEntry = z.infer<typeof historyEntrySchema>;
export interface SignedLatest extends SignedRecord<Latest> {
  /** When the publisher's key was revoked, ms since the epoch: nothing of this is to be run. */
  readonly revokedAt: number | undefined;
}

/** What the publisher says about one version; undefined when it does not keep it. */
export function keptVersion({ history }: Latest, version: string): HistoryEntry | undefined {
  return history.find((kept) => kept.version === version);
}

/** Which version each channel points at, `stable` among them. */
export function channelsOf({ channels, version }: Latest): Record<string, string> {
  return { ...channels, [STABLE]: version };
}

export function signLatest(payload: Latest, key: Identity): SignedLatest {
  const { revokedAt } = authorityOf(parseApplianceId(payload.appliance).publisher, payload);
  return { ...signRecord(DOMAIN, payload, key), revokedAt };
}

/** Orders records of one appliance: a revocation is last, then a later key, then the larger seq. */
export function compareLatest(a: SignedLatest, b: SignedLatest): number {
  return (
    Number(a.revokedAt !== undefined) - Number(b.revokedAt !== undefined) ||
    epochOf(a.payload) - epochOf(b.payload) ||
    a.payload.seq - b.payload.seq
  );
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
 *   REVOKED_KEY, KEY_CONFLICT, ROLLBACK (seq below the floor), EQUIVOCATION (the floor's seq, other
 *   bytes), FROM_THE_FUTURE, EXPIRED
 */
export function validateLatest(bytes: Uint8Array, context: LatestContext): SignedLatest {
  const record = openLatest(bytes, context.appliance);
  const { floor, now } = context;
  const { appliance, seq, published, validUntil } = record.payload;
  if (floor !== undefined) checkFloor(record, floor);
  if (published > now + MAX_CLOCK_AHEAD_MS || validUntil > now + MAX_LATEST_VALIDITY_MS) {
    throw new RecordRefusal(
      'FROM_THE_FUTURE',
      `latest record of ${appliance}, seq ${seq}, says that it was signed ${isoTime(published)} and is valid until ${isoTime(validUntil)}: at most ${MAX_LATEST_VALIDITY_MS / 86_400_000} days ahead, by a clock that is right`,
    );
  }
  // A revocation is for ever.
  if (validUntil <= now && record.revokedAt === undefined) {
    throw new RecordRefusal(
      'EXPIRED',
      `latest record of ${appliance} was valid until ${isoTime(validUntil)}: its publisher has to publish again`,
    );
  }
  return record;
}

function checkFloor(record: SignedLatest, floor: SignedLatest): void {
  if (sameBytes(floor.bytes, record.bytes)) return;
  const { appliance, seq } = record.payload;
  checkSuccession(parseApplianceId(appliance).publisher, record.payload, floor.payload);
  const order = compareLatest(record, floor);
  if (order < 0) {
    throw new RecordRefusal(
      'ROLLBACK',
      `latest record of ${appliance} has seq ${seq}, but seq ${floor.payload.seq} was seen already`,
    );
  }
  if (order === 0) {
    throw new RecordRefusal(
      'EQUIVOCATION',
      `the publisher of ${appliance} signed two different records with seq ${seq}`,
    );
  }
}

const isoTime = (ms: number): string =>
  Number.isNaN(new Date(ms).getTime()) ? `${ms} ms` : new Date(ms).toISOString();

/**
 * Opens a record that was accepted before and may have expired since, such as a stored floor.
 *
 * @throws RecordRefusal OVERSIZED, MALFORMED, FORGED_SIGNATURE, WRONG_PUBLISHER, WRONG_KEY
 */
export function openLatest(bytes: Uint8Array, appliance: string): SignedLatest {
  const record = openRecord(DOMAIN, latestSchema, bytes);
  const { publisher } = parseApplianceId(record.payload.appliance);
  const { signer, revokedAt } = authorityOf(publisher, record.payload);
  if (record.signer !== signer) {
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
  return { ...record, revokedAt };
}
