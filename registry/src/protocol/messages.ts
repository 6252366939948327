import { z } from 'zod';
import { isApplianceId, isVersion } from '../appliance-id.ts';
import { isEd25519PeerId } from '../identity.ts';
import { leaseSchema } from '../records/lease.ts';
import { MAX_RECORD_BYTES } from '../records/signed-record.ts';
import { HLL_REGISTERS } from '../sharers/hyperloglog.ts';
import { MAX_NAMED } from '../sharers/version-leases.ts';

/** The stream protocol between registry nodes: length-prefixed CBOR, requests with ids. */
export const REGISTRY_PROTOCOL = '/rowfs/registry/1';

/** The largest request: one record and its surroundings. */
export const MAX_REQUEST_BYTES = 2 * MAX_RECORD_BYTES;
/** The largest answer: a full set of server entries. */
export const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;
/** How many peers an answer to `find-node` names at most (Kademlia's k). */
export const MAX_CLOSER_PEERS = 20;

const appliance = z.string().refine(isApplianceId, 'not an appliance id');
const version = z.string().refine(isVersion, 'not a version');
const bytes: z.ZodType<Uint8Array> = z.instanceof(Uint8Array);
// Size is for the record's own judge to refuse, with its own code.
const record = bytes;

/** A peer and where to dial it. */
const peerSchema = z.strictObject({
  id: z.string().refine(isEd25519PeerId, 'not an Ed25519 peer id'),
  addresses: z.array(z.string().max(300)).max(16),
});

/**
 * As `peerSchema`, but for the look of the id only: a lookup hears of the same few peers hundreds of
 * times, and decodes the id of each once, which fails for one that only looks right.
 */
const closerPeerSchema = peerSchema.extend({
  id: z.string().regex(/^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/, 'not an Ed25519 peer id'),
});

/** What one node asks of another. */
export const requestSchema = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('find-node'), key: bytes.refine((key) => key.length === 32) }),
  z.strictObject({ op: z.literal('get-latest'), appliance }),
  z.strictObject({ op: z.literal('put-latest'), appliance, record }),
  z.strictObject({ op: z.literal('get-servers'), appliance, version }),
  z.strictObject({ op: z.literal('put-server'), appliance, version, record }),
  z.strictObject({ op: z.literal('get-sharers'), appliance, version }),
  leaseSchema.extend({ op: z.literal('put-lease') }),
  leaseSchema.omit({ ttlSeconds: true }).extend({ op: z.literal('release-lease') }),
]);

const sharerSchema = z.strictObject({
  client: z.string().max(80),
  lease: z.string().max(64),
});

/** What each request is answered with; a refusal is a code and a message instead. */
export const responseSchemas = {
  'find-node': z.strictObject({ closer: z.array(closerPeerSchema).max(MAX_CLOSER_PEERS) }),
  'get-latest': z.strictObject({ record: record.nullable() }),
  'put-latest': z.strictObject({}),
  'get-servers': z.strictObject({ records: z.array(record).max(256) }),
  'put-server': z.strictObject({}),
  'get-sharers': z.strictObject({
    count: z.int().min(0),
    /** The whole set, unless there is a sketch. */
    sharers: z.array(sharerSchema).max(MAX_NAMED),
    /** The registers of a HyperLogLog, when there are too many to name. */
    sketch: bytes.refine(({ length }) => length === HLL_REGISTERS).nullable(),
    /** The node was restarted lately, and cannot rule out leases that it does not tell of. */
    unsure: z.boolean(),
    /** Nodes that should hold leases of it too, but were lost within the longest lease. */
    absent: z.array(peerSchema).max(MAX_CLOSER_PEERS),
  }),
  /** The storing node says when it wants to hear again, so that it can slow a large set down. */
  'put-lease': z.strictObject({ refreshSeconds: z.number().positive() }),
  'release-lease': z.strictObject({}),
} as const;

/** How long an answer to each request can be, in bytes; refusals are shorter than all. */
export const MAX_RESPONSE_BYTES_OF: { readonly [O in Operation]: number } = {
  'find-node': 128 * 1024,
  'get-latest': 2 * MAX_RECORD_BYTES,
  'put-latest': 8 * 1024,
  'get-servers': MAX_RESPONSE_BYTES,
  'put-server': 8 * 1024,
  'get-sharers': 1024 * 1024,
  'put-lease': 8 * 1024,
  'release-lease': 8 * 1024,
};

export type Peer = Readonly<z.infer<typeof peerSchema>>;
export type Request = z.infer<typeof requestSchema>;
export type Operation = Request['op'];
export type RequestOf<O extends Operation> = Extract<Request, { op: O }>;
export type ResponseOf<O extends Operation> = z.infer<(typeof responseSchemas)[O]>;

/** Answers the requests of peers. `from` is the peer id that the connection has proven. */
export type RequestHandler = <O extends Operation>(
  from: string,
  request: RequestOf<O>,
) => Promise<ResponseOf<O>>;
