import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Loss } from './operation.ts';

/**
 * A TCP relay on loopback that cuts a connection at a chosen moment of the next call: of one client
 * that has one call under way at a time, so that what it sends next is the call.
 */
export class LossyLink {
  /** Where new connections are relayed to. */
  targetPort: number;
  /** Connections that were cut. */
  losses = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #next: Loss | undefined;

  static async open(targetPort: number): Promise<LossyLink> {
    const link = new LossyLink(targetPort);
    link.#server.listen(0, '127.0.0.1');
    await once(link.#server, 'listening');
    return link;
  }

  private constructor(targetPort: number) {
    this.targetPort = targetPort;
    this.#server = createServer({ noDelay: true }, (client) => this.#relay(client));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** What befalls the next call. */
  loseNext(loss: Loss): void {
    this.#next = loss;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server.close(), 'close');
  }

  #relay(client: Socket): void {
    const server = connect({ host: '127.0.0.1', port: this.targetPort, noDelay: true });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    let dropsReply = false;
    const cut = (): void => {
      this.losses += 1;
      client.destroy();
    };
    client.on('data', (call) => {
      const loss = this.#next;
      this.#next = undefined;
      if (loss === 'the call is lost') {
        cut();
        return;
      }
      if (loss === 'the reply is lost') dropsReply = true;
      if (loss === 'it is cut while the call runs') server.write(call, cut);
      else server.write(call);
    });
    server.on('data', (reply) => {
      if (dropsReply) cut();
      else client.write(reply);
    });
  }
}
