import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Logger } from 'pino';
import type { Dispatcher } from './dispatcher.ts';
import { RecordEncoder, withoutMark } from './record-marking.ts';
import { ReplyLifetime } from './reply-lifetime.ts';
import type { HostPort, Peer } from './address.ts';

/** Datagrams being worked on; more are dropped, and their senders ask again. */
const MAX_IN_FLIGHT = 128;

export interface UdpListener {
  readonly address: HostPort;
  close(): Promise<void>;
}

/** Answers one call per datagram, until closed. Rejects when the address cannot be had. */
export async function openUdpListener(
  { host, port }: HostPort,
  dispatcher: Dispatcher,
  serverSignal: AbortSignal,
  logger: Logger,
): Promise<UdpListener> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  const encoder = new RecordEncoder();
  let inFlight = 0;
  let open = true;

  const answer = async (datagram: Uint8Array, peer: Peer) => {
    inFlight += 1;
    const lifetime = new ReplyLifetime();
    try {
      const source = { peer, connectionSignal: serverSignal, serverSignal };
      const reply = await dispatcher.answer([datagram], source, encoder, lifetime);
      if (reply === undefined || !open) {
        lifetime.end();
        return;
      }
      socket.send(withoutMark(reply), peer.port, peer.address, (error) => {
        lifetime.end();
        if (error !== null) logger.warn({ peer, err: error }, 'datagram not sent');
      });
    } catch (error) {
      lifetime.end();
      logger.debug({ peer, err: error }, 'datagram dropped: not RPC');
    } finally {
      inFlight -= 1;
    }
  };

  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, host, () => {
      socket.off('error', reject);
      resolve();
    });
  });
  socket.on('error', (error) => logger.warn({ err: error }, 'datagram socket failed'));
  socket.on('message', (datagram, { address, port: from }) => {
    if (inFlight < MAX_IN_FLIGHT) void answer(datagram, { address, port: from });
  });

  const bound = socket.address();
  return {
    address: { host: bound.address, port: bound.port },
    close: () =>
      new Promise((resolve) => {
        open = false;
        socket.close(() => resolve());
      }),
  };
}
