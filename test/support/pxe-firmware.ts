/**
 * A BIOS that knows PXE and is no iPXE. There is no free one: this is QEMU's, which is iPXE and serves what it
 * starts as any PXE ROM does, but is not known by its DHCP. Between its card and the cable, the two options that
 * tell iPXE are given numbers that mean nothing, until it has its address and fetches its first file.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

export interface PxeFirmware {
  /** For QEMU, about the network `net0`, whose packets have no header of virtio. */
  readonly arguments: readonly string[];
  close(): Promise<void>;
}

/** A machine with it can be switched on once. */
export async function pxeFirmware(directory: string): Promise<PxeFirmware> {
  const fromCard = await listen(join(directory, 'from-card'));
  const toCable = await listen(join(directory, 'to-cable'));
  void Promise.all([fromCard.connection, toCable.connection]).then(([card, cable]) => {
    let isFirmware = true;
    let received = Buffer.alloc(0);
    card.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      // QEMU writes the length of each packet before it.
      while (received.length >= 4 && received.length >= 4 + received.readUInt32BE(0)) {
        const end = 4 + received.readUInt32BE(0);
        const packet = received.subarray(4, end);
        isFirmware &&= !isUdpTo(packet, TFTP_PORT);
        if (isFirmware && DHCP_PORTS.some((port) => isUdpTo(packet, port))) hideIpxe(packet);
        cable.write(received.subarray(0, end));
        received = received.subarray(end);
      }
    });
  });
  return {
    arguments: [
      ...['-chardev', `socket,id=from-card,path=${fromCard.path}`],
      ...['-chardev', `socket,id=to-cable,path=${toCable.path}`],
      ...[
        '-object',
        'filter-redirector,id=pxe,netdev=net0,queue=rx,outdev=from-card,indev=to-cable',
      ],
    ],
    async close() {
      await Promise.all([fromCard.close(), toCable.close()]);
    },
  };
}

/** Of servers that give addresses, and of those that only say where to boot from. */
const DHCP_PORTS = [67, 4011];
const TFTP_PORT = 69;
const ETHERNET_HEADER = 14;
const IPV4 = 0x0800;
const UDP = 17;

/** Where its UDP header begins; undefined when it has none. */
function udpOf(packet: Buffer): number | undefined {
  const isUdp = packet.readUInt16BE(12) === IPV4 && packet[ETHERNET_HEADER + 9] === UDP;
  return isUdp ? ETHERNET_HEADER + ((packet[ETHERNET_HEADER] ?? 0) & 15) * 4 : undefined;
}

function isUdpTo(packet: Buffer, port: number): boolean {
  const udp = udpOf(packet);
  return udp !== undefined && packet.readUInt16BE(udp + 2) === port;
}

/** User class, and iPXE's own, and numbers of RFC 2132 for anybody. */
const HIDDEN: ReadonlyMap<number, number> = new Map([
  [77, 224],
  [175, 225],
]);
const PAD = 0;
const END = 255;
/** Of a UDP header, and of DHCP's message before its options. */
const OPTIONS = 8 + 240;

function hideIpxe(packet: Buffer): void {
  const udp = udpOf(packet) ?? 0;
  // None: IPv4 lets it be left out.
  packet.writeUInt16BE(0, udp + 6);
  for (let at = udp + OPTIONS; at < packet.length && packet[at] !== END;) {
    const option = packet[at] ?? END;
    packet[at] = HIDDEN.get(option) ?? option;
    at += option === PAD ? 1 : 2 + (packet[at + 1] ?? 0);
  }
}

interface Listener {
  readonly path: string;
  readonly connection: Promise<Socket>;
  close(): Promise<void>;
}

async function listen(path: string): Promise<Listener> {
  const server: Server = createServer();
  server.listen(path);
  await once(server, 'listening');
  let socket: Socket | undefined;
  const connection = once(server, 'connection').then(([connected]) => {
    socket = connected as Socket;
    socket.on('error', () => undefined);
    return socket;
  });
  return {
    path,
    connection,
    async close() {
      socket?.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
