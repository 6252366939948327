import { randomBytes } from 'node:crypto';
import { noise } from '@chainsafe/libp2p-noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { z } from 'zod';
import { messageOf, RegistryError } from '../errors.ts';
import { generateIdentity, isEd25519PeerId, type Identity } from '../identity.ts';
import { decodeCbor, encodeCbor } from '../records/signed-record.ts';
import { invited } from './admission.ts';
import { openCertificate, signCertificate, signJoin } from './certificates.ts';

const bytes = z.instanceof(Uint8Array) as z.ZodType<Uint8Array>;
const tokenSchema = z.strictObject({
  fleet: z.string().refine(isEd25519PeerId),
  /** Of the key that the invitation is about: who has it may join. */
  seed: bytes.refine((seed) => seed.length === 32),
  certificate: bytes,
  /** Where a node with the fleet's key listens. */
  addresses: z.array(z.string().max(300)).min(1).max(8),
});

/** How a text that invites one machine begins. */
const PREFIX = 'rowfs-invite-';

/** A text that lets one machine join, once, until `expires` (ms since the epoch). */
export function createInvitation(
  fleetKey: Identity,
  expires: number,
  addresses: readonly string[],
): string {
  const seed = randomBytes(32);
  const fleet = fleetKey.peerId;
  const member = generateIdentity(seed).peerId;
  const certificate = signCertificate({ fleet, member, role: 'invitation', expires }, fleetKey);
  const token = encodeCbor({ fleet, seed, certificate, addresses });
  return PREFIX + Buffer.from(token).toString('base64url');
}

/** What a machine became by joining. */
export interface Joined {
  readonly fleet: string;
  readonly certificate: Uint8Array;
}

/**
 * Changes an invitation for a certificate of `member`, at a node that has the fleet's key.
 *
 * @throws RegistryError NOT_A_MEMBER (no invitation, expired, or used), PEER_UNREACHABLE
 */
export async function redeemInvitation(text: string, member: string): Promise<Joined> {
  const { fleet, seed, certificate, addresses } = parseToken(text);
  const key = generateIdentity(seed);
  openCertificate(certificate, fleet, Date.now());
  const joined = Promise.withResolvers<Uint8Array>();
  const request = signJoin(fleet, member, key);
  const libp2p = await createLibp2p({
    privateKey: key.privateKey,
    transports: [tcp()],
    connectionEncrypters: [
      (components) => invited(noise()(components), certificate, request, joined.resolve),
    ],
    streamMuxers: [yamux()],
  });
  try {
    const dial = libp2p.dial(addresses.map((address) => multiaddr(address)));
    // It never succeeds: what counts is what was handed over before the connection ends.
    const ended = dial.then(
      () => 'the node let an invitation in',
      (error: unknown) => messageOf(error),
    );
    const got = await Promise.race([joined.promise, ended]);
    if (typeof got === 'string') {
      throw new RegistryError(
        'NOT_A_MEMBER',
        `not let in at ${addresses.join(', ')}: the invitation was used, or that node is not there (${got.replaceAll(/\s+/g, ' ').slice(0, 200)})`,
      );
    }
    await ended;
    const { member: certified, role } = openCertificate(got, fleet, Date.now());
    if (role !== 'member' || certified !== member) {
      throw new RegistryError(
        'NOT_A_MEMBER',
        'the certificate that was given is not of this machine',
      );
    }
    return { fleet, certificate: got };
  } finally {
    await libp2p.stop();
  }
}

function parseToken(text: string): z.infer<typeof tokenSchema> {
  try {
    if (!text.startsWith(PREFIX)) throw new Error(`it begins with ${PREFIX}`);
    const bytesOf = Buffer.from(text.slice(PREFIX.length), 'base64url');
    return tokenSchema.parse(decodeCbor(bytesOf));
  } catch (error) {
    throw new RegistryError('NOT_A_MEMBER', 'this is no invitation: copy it whole', {
      cause: error,
    });
  }
}
