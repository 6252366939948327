import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { broadcastOf, type Subnet } from './subnet.ts';

export type FoundServer =
  | { readonly kind: 'none' }
  | { readonly kind: 'server'; readonly address: string }
  | { readonly kind: 'unknown'; readonly reason: string };

const SERVER_PORT = 67;
const CLIENT_PORT = 68;
/** How long servers may take: some see first whether an address is free. */
const PATIENCE_MS = 4_000;

/**
 * Asks for an address, which is not taken then, and waits for the first offer (RFC 2131, section 3.1). The
 * question goes to the network's own broadcast address, so that it leaves by that interface.
 */
export async function findDhcpServer(subnet: Subnet): Promise<FoundServer> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  const transaction = randomBytes(4);
  const found = new Promise<FoundServer>((resolve) => {
    socket.on('message', (message, { address }) => {
      const server = serverOfOffer(message, transaction);
      if (server !== undefined) resolve({ kind: 'server', address: server || address });
    });
    socket.on('error', ({ message }) => resolve({ kind: 'unknown', reason: message }));
  });
  try {
    socket.bind(CLIENT_PORT, '0.0.0.0');
    const bound = once(socket, 'listening').then(() => undefined);
    const failed = await Promise.race([bound, found]);
    if (failed !== undefined) return failed;
    socket.setBroadcast(true);
    socket.send(discover(transaction), SERVER_PORT, broadcastOf(subnet));
    const nobody = pause<FoundServer>(PATIENCE_MS, { kind: 'none' }, { ref: false });
    return await Promise.race([found, nobody]);
  } finally {
    socket.close();
  }
}

/** Where the fields of RFC 2131, section 2, begin. */
const FIELDS = { transaction: 4, flags: 10, hardware: 28, cookie: 236, options: 240 };
const MAGIC = Buffer.from([99, 130, 83, 99]);
const BOOTREQUEST = 1;
const BOOTREPLY = 2;
const BROADCAST = 0x8000;
/** RFC 2132: message type, server identifier, end. */
const OPTION = { pad: 0, messageType: 53, server: 54, end: 255 };
const DHCPDISCOVER = 1;
const DHCPOFFER = 2;

export function discover(transaction: Buffer): Buffer {
  const message = Buffer.alloc(300);
  message.set([BOOTREQUEST, 1, 6]);
  message.set(transaction, FIELDS.transaction);
  message.writeUInt16BE(BROADCAST, FIELDS.flags);
  // Of nobody: locally administered.
  message.set([0x02, 0, ...transaction], FIELDS.hardware);
  message.set(MAGIC, FIELDS.cookie);
  message.set([OPTION.messageType, 1, DHCPDISCOVER, OPTION.end], FIELDS.options);
  return message;
}

/** The server's identifier, `''` when it says none; undefined for what is no offer to this question. */
export function serverOfOffer(message: Buffer, transaction: Buffer): string | undefined {
  const isAnswer =
    message.length > FIELDS.options &&
    message[0] === BOOTREPLY &&
    message.subarray(FIELDS.transaction).subarray(0, 4).equals(transaction) &&
    message.subarray(FIELDS.cookie, FIELDS.options).equals(MAGIC);
  if (!isAnswer) return undefined;
  const options = optionsOf(message.subarray(FIELDS.options));
  if (options.get(OPTION.messageType)?.[0] !== DHCPOFFER) return undefined;
  return [...(options.get(OPTION.server) ?? [])].join('.');
}

function optionsOf(bytes: Buffer): Map<number, Buffer> {
  const options = new Map<number, Buffer>();
  for (let at = 0; at < bytes.length;) {
    const option = bytes[at] ?? OPTION.end;
    if (option === OPTION.end) break;
    if (option === OPTION.pad) {
      at += 1;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    options.set(option, bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return options;
}
