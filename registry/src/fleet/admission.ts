import type {
  ConnectionEncrypter,
  Libp2p,
  MessageStream,
  SecureConnectionOptions,
  SecuredConnection,
} from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import type { Logger } from 'pino';
import { z } from 'zod';
import { messageOf, RegistryError } from '../errors.ts';
import { decodeCbor, encodeCbor } from '../records/signed-record.ts';
import type { Membership } from './membership.ts';

/** Spoken instead of noise alone: who does not speak it is answered nothing. */
const FLEET_PROTOCOL = '/rowfs/fleet/1';
const REVOCATIONS_PROTOCOL = '/rowfs/fleet/revocations/1';
/** Certificate, node and revocations, each a record. */
const MAX_GREETING_BYTES = 64 * 1024;

const bytes = z.instanceof(Uint8Array) as z.ZodType<Uint8Array>;
const helloSchema = z.discriminatedUnion('as', [
  z.strictObject({ as: z.literal('member'), greeting: bytes }),
  z.strictObject({ as: z.literal('invited'), invitation: bytes, request: bytes }),
]);
const joinedSchema = z.strictObject({ certificate: bytes });

/** One end of the exchange that comes right after the encryption's handshake. */
type Exchange = (connection: MessageStream, remote: string, options: Options) => Promise<void>;
type Options = SecureConnectionOptions | undefined;

/** `encryption`, and then, before any protocol is spoken, an exchange of certificates. */
class AdmittingEncrypter implements ConnectionEncrypter {
  readonly protocol = FLEET_PROTOCOL;
  readonly #encryption: ConnectionEncrypter;
  readonly #exchange: Exchange;

  constructor(encryption: ConnectionEncrypter, exchange: Exchange) {
    this.#encryption = encryption;
    this.#exchange = exchange;
  }

  async secureOutbound(connection: MessageStream, options: Options): Promise<SecuredConnection> {
    return this.#admitted(await this.#encryption.secureOutbound(connection, options), options);
  }

  async secureInbound(connection: MessageStream, options: Options): Promise<SecuredConnection> {
    return this.#admitted(await this.#encryption.secureInbound(connection, options), options);
  }

  async #admitted(secured: SecuredConnection, options: Options): Promise<SecuredConnection> {
    await this.#exchange(secured.connection, secured.remotePeer.toString(), options);
    return secured;
  }
}

/** Lets members of the fleet in, and nobody else; `node` is the peer id of this node. */
export function membersOnly(
  encryption: ConnectionEncrypter,
  membership: Membership,
  node: string,
): ConnectionEncrypter {
  return new AdmittingEncrypter(encryption, async (connection, remote, options) => {
    const stream = lpStream(connection, { maxDataLength: MAX_GREETING_BYTES });
    const greeting = membership.greeting(node);
    await stream.write(encodeCbor({ as: 'member', greeting }), options);
    const hello = helloSchema.parse(decodeCbor((await stream.read(options)).subarray()));
    if (hello.as === 'member') {
      await membership.admit(hello.greeting, remote);
      stream.unwrap();
      return;
    }
    if (membership.redeem === undefined) {
      throw new RegistryError('NOT_A_MEMBER', 'this node does not take invitations');
    }
    const certificate = await membership.redeem(hello.invitation, hello.request);
    await stream.write(encodeCbor({ certificate }), options);
    // It has it once it says so; the connection then ends, and comes again as a member's.
    await stream.read(options);
    throw new RegistryError('NOT_A_MEMBER', 'an invitation opens no connection');
  });
}

/** Connects only to change an invitation for a certificate, which `joined` is given. */
export function invited(
  encryption: ConnectionEncrypter,
  invitation: Uint8Array,
  request: Uint8Array,
  joined: (certificate: Uint8Array) => void,
): ConnectionEncrypter {
  return new AdmittingEncrypter(encryption, async (connection, _remote, options) => {
    const stream = lpStream(connection, { maxDataLength: MAX_GREETING_BYTES });
    await stream.write(encodeCbor({ as: 'invited', invitation, request }), options);
    await stream.read(options);
    const answer = (await stream.read(options)).subarray();
    joined(joinedSchema.parse(decodeCbor(answer)).certificate);
    await stream.write(encodeCbor(null), options);
    throw new RegistryError('NOT_A_MEMBER', 'joined: to be connected again as a member');
  });
}

/** Tells all connected members of each newer list of revocations, and hangs up on who is on it. */
export async function spreadRevocations(
  libp2p: Libp2p,
  membership: Membership,
  logger: Logger,
): Promise<void> {
  await libp2p.handle(REVOCATIONS_PROTOCOL, async (stream) => {
    try {
      const list = await lpStream(stream, { maxDataLength: MAX_GREETING_BYTES }).read({
        signal: AbortSignal.timeout(5000),
      });
      await membership.takeRevocations(list.subarray());
      await stream.close();
    } catch (error) {
      logger.debug({ reason: messageOf(error) }, 'no list of revocations');
      stream.abort(error instanceof Error ? error : new Error(String(error)));
    }
  });
  membership.onRevocations((list) => {
    for (const connection of libp2p.getConnections()) {
      const peer = connection.remotePeer.toString();
      if (membership.isRevoked(peer)) {
        logger.info({ peer }, 'revoked: disconnected');
        connection.abort(new RegistryError('NOT_A_MEMBER', 'no member of the fleet any more'));
        continue;
      }
      const tell = async (): Promise<void> => {
        const signal = AbortSignal.timeout(5000);
        const stream = await connection.newStream(REVOCATIONS_PROTOCOL, { signal });
        await lpStream(stream).write(list, { signal });
        await stream.close({ signal });
      };
      tell().catch((error: unknown) => {
        logger.debug({ peer, reason: messageOf(error) }, 'revocations not passed on');
      });
    }
  });
}
