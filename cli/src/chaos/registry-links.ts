import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** On its address of loopback each node listens here, and is reached by the others there. */
const NODE_PORT = 4711;
const LINK_PORT = 4712;

/** Who takes part in the registry, with an address of loopback of its own. */
export interface Participant {
  readonly address: string;
}

/**
 * The network between the registry's participants: connections to a node go through here, and bear
 * the address of whoever makes them, so that two sides can be kept apart.
 */
export class RegistryLinks {
  readonly #prefix: string;
  readonly #servers: Server[] = [];
  readonly #pairs = new Set<{ from: string; to: string; sockets: readonly Socket[] }>();
  #apart: ReadonlySet<string> = new Set();
  #last = 0;

  /** @param run tells runs on the same machine apart: their process ids. */
  constructor(run: number) {
    // All of 127.0.0.0/8 is loopback (RFC 1122, section 3.2.1.3).
    this.#prefix = `127.${64 + (Math.floor(run / 256) % 64)}.${run % 256}`;
  }

  /** Somebody who only asks. */
  addClient(): Participant {
    this.#last += 1;
    return { address: `${this.#prefix}.${this.#last}` };
  }

  /** @throws what listening says. */
  async addNode(): Promise<Participant & { readonly listen: string; readonly announce: string }> {
    const { address } = this.addClient();
    const server = createServer((from) => this.#connect(from, address));
    server.listen(LINK_PORT, address);
    await once(server, 'listening');
    this.#servers.push(server);
    return {
      address,
      listen: `/ip4/${address}/tcp/${NODE_PORT}`,
      announce: `/ip4/${address}/tcp/${LINK_PORT}`,
    };
  }

  /** Nothing passes between these and the others any more; what was under way is held. */
  partition(side: Iterable<Participant>): void {
    this.#apart = new Set([...side].map(({ address }) => address));
    for (const { from, to, sockets } of this.#pairs) {
      if (this.#areApart(from, to)) for (const socket of sockets) socket.pause();
    }
  }

  heal(): void {
    this.#apart = new Set();
    for (const { sockets } of this.#pairs) for (const socket of sockets) socket.resume();
  }

  async close(): Promise<void> {
    for (const { sockets } of this.#pairs) for (const socket of sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => once(server.close(), 'close')));
  }

  #areApart(a: string, b: string): boolean {
    return this.#apart.has(a) !== this.#apart.has(b);
  }

  #connect(from: Socket, address: string): void {
    const to = connect({ host: address, port: NODE_PORT, noDelay: true });
    from.setNoDelay(true);
    const pair = { from: from.remoteAddress ?? '', to: address, sockets: [from, to] };
    this.#pairs.add(pair);
    for (const [socket, other] of [
      [from, to],
      [to, from],
    ] as const) {
      socket.on('data', (bytes) => other.write(bytes));
      socket.on('end', () => other.end());
      // An error at one end is the end of the other.
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
      if (this.#areApart(pair.from, pair.to)) socket.pause();
    }
  }
}
