import { decode, encode, rfc8949EncodeOptions } from 'cborg';
import { z } from 'zod';
import { messageOf, RecordRefusal } from '../errors.ts';
import { isEd25519PeerId, verifySignature, type Identity } from '../identity.ts';

/** The largest signed record of any table, in bytes. */
export const MAX_RECORD_BYTES = 16 * 1024;

/** A record whose signature and shape were checked, with the exact bytes that carry both. */
export interface SignedRecord<T> {
  readonly payload: T;
  /** The Ed25519 peer id whose key signed the payload. */
  readonly signer: string;
  /** What is stored and sent: CBOR `[signer, payload bytes, signature]`. */
  readonly bytes: Uint8Array;
}

const envelopeSchema = z.tuple([
  z.string().max(80),
  z.instanceof(Uint8Array),
  z.instanceof(Uint8Array).refine((signature) => signature.length === 64),
]);

/** Encodes to the one deterministic form (RFC 8949 section 4.2.1). */
export function encodeCbor(value: unknown): Uint8Array {
  return encode(value, rfc8949EncodeOptions);
}

/** Decodes strictly; whoever needs the deterministic form compares with `encodeCbor`. */
export function decodeCbor(bytes: Uint8Array): unknown {
  return decode(bytes, {
    strict: true,
    allowIndefinite: false,
    allowUndefined: false,
    allowInfinity: false,
    allowNaN: false,
    allowBigInt: false,
    rejectDuplicateMapKeys: true,
  });
}

/**
 * Signs `payload` for one table. `domain` (e.g. `rowfs latest v1`) is signed along, so that a
 * signature made for one kind of record can never be taken for another.
 *
 * @throws RecordRefusal OVERSIZED
 */
export function signRecord<T>(domain: string, payload: T, key: Identity): SignedRecord<T> {
  const payloadBytes = encodeCbor(payload);
  const signature = key.sign(signedBytes(domain, payloadBytes));
  const bytes = encodeCbor([key.peerId, payloadBytes, signature]);
  checkSize(domain, bytes);
  return { payload, signer: key.peerId, bytes };
}

/**
 * The checks common to all signed records: size, canonical form, shape, signature.
 *
 * @throws RecordRefusal OVERSIZED, MALFORMED, FORGED_SIGNATURE
 */
export function openRecord<T>(
  domain: string,
  schema: z.ZodType<T>,
  bytes: Uint8Array,
): SignedRecord<T> {
  checkSize(domain, bytes);
  const envelope = parse(domain, envelopeSchema, bytes);
  const [signer, payloadBytes, signature] = envelope;
  if (!isEd25519PeerId(signer)) {
    throw new RecordRefusal('MALFORMED', `${domain} record: signer is not an Ed25519 peer id`);
  }
  // Before the payload is even looked at: nothing unsigned reaches a parser of ours.
  if (!verifySignature(signer, signedBytes(domain, payloadBytes), signature)) {
    throw new RecordRefusal(
      'FORGED_SIGNATURE',
      `${domain} record: the signature is not by ${signer} over these bytes`,
    );
  }
  return { payload: parse(domain, schema, payloadBytes), signer, bytes };
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function checkSize(domain: string, bytes: Uint8Array): void {
  if (bytes.length > MAX_RECORD_BYTES) {
    throw new RecordRefusal(
      'OVERSIZED',
      `${domain} record has ${bytes.length} bytes, the limit is ${MAX_RECORD_BYTES}`,
    );
  }
}

function signedBytes(domain: string, payload: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${domain}\0`), payload]);
}

function parse<T>(domain: string, schema: z.ZodType<T>, bytes: Uint8Array): T {
  let decoded: unknown;
  try {
    decoded = decodeCbor(bytes);
  } catch (error) {
    throw new RecordRefusal('MALFORMED', `${domain} record is not CBOR: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const result = schema.safeParse(decoded);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new RecordRefusal(
      'MALFORMED',
      `${domain} record: ${issue === undefined ? 'wrong shape' : `${issue.path.join('.')}: ${issue.message}`}`,
    );
  }
  // One value, one encoding: otherwise equal records could differ in bytes and look like equivocation.
  if (!sameBytes(encodeCbor(decoded), bytes)) {
    throw new RecordRefusal('MALFORMED', `${domain} record is not in deterministic CBOR form`);
  }
  return result.data;
}
