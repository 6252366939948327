import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** One call and its reply, as they went over the wire, record marks included. */
export interface RecordedCall {
  readonly call: Buffer;
  readonly reply: Buffer;
}

/** Stands between a client and a server on loopback and keeps what one call after the other looks like. */
export class CallRecorder {
  readonly #listener: Server;
  readonly #sockets = new Set<Socket>();
  #sent: Buffer[] = [];
  #received: Buffer[] = [];

  static async listen(serverPort: number): Promise<CallRecorder> {
    const recorder = new CallRecorder(serverPort);
    recorder.#listener.listen(0, '127.0.0.1');
    await once(recorder.#listener, 'listening');
    return recorder;
  }

  private constructor(serverPort: number) {
    this.#listener = createServer((client) => {
      const server = connect({ host: '127.0.0.1', port: serverPort });
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
      }
      client.on('data', (bytes: Buffer) => this.#sent.push(bytes));
      server.on('data', (bytes: Buffer) => this.#received.push(bytes));
      client.pipe(server).pipe(client);
    });
  }

  get port(): number {
    const address = this.#listener.address();
    if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
    return address.port;
  }

  /** What `call` sends and is answered. No other call may be under way. */
  async record(call: () => Promise<unknown>): Promise<RecordedCall> {
    this.#sent = [];
    this.#received = [];
    await call();
    return { call: Buffer.concat(this.#sent), reply: Buffer.concat(this.#received) };
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#listener.close(resolve));
  }
}

/** Sends one record on a connection of its own. @returns the record that comes back. */
export async function sendRecord(port: number, record: Buffer): Promise<Buffer> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    socket.write(record);
    let reply = Buffer.alloc(0);
    while (reply.length < 4 || reply.length < 4 + (reply.readUInt32BE(0) & 0x7fff_ffff)) {
      const [bytes] = (await once(socket, 'data')) as [Buffer];
      reply = Buffer.concat([reply, bytes]);
    }
    return reply;
  } finally {
    socket.destroy();
  }
}
