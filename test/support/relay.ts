/**
 * A TCP relay on loopback that behaves like a long, narrow, unreliable link, and counts the ONC RPC
 * records that cross it. Modelled: round-trip time, rate, black holes, resets. Not modelled: packet
 * loss, jitter, slow start.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { CALL_HEAD_BYTES, RecordCounter } from './record-counter.ts';

export type LinkSettings = {
  /** Half of it is spent in each direction; setting up a connection costs all of it once more. */
  readonly roundTripMs?: number;
  /** In each direction, shared by all connections. */
  readonly bytesPerSecond?: number;
};

/** The far end of the relay's ports, in the same order. */
export type RelayOptions = LinkSettings & {
  readonly targetPorts: readonly number[];
  /** Where its own ports are; default 127.0.0.1. */
  readonly host?: string;
};

export async function startRelay({ targetPorts, host, ...link }: RelayOptions): Promise<Relay> {
  const relay = new Relay(link, host);
  for (const port of targetPorts) await relay.listenFor(port);
  return relay;
}

/** With a limited rate, what is sent in one piece: fine enough grain for the rate, few enough timers. */
const SEGMENT_BYTES = 6 * 1024;
/** A direction of a connection with more than this under way stops reading from its sender. */
const WINDOW_BYTES = 8 * 1024 * 1024;
/** Deliver what is due within this time: timers count whole milliseconds. */
const TIMER_GRAIN_MS = 0.5;

export class Relay {
  /** One for each target. */
  readonly ports: number[] = [];
  /** RPC records seen so far: calls go to the server, replies to the client. */
  readonly records = { toServer: 0, toClient: 0 };
  /** Bytes seen so far, record marks included. */
  readonly bytes = { toServer: 0, toClient: 0 };
  /** Calls seen so far, by program and procedure: `100003.6` is READ of NFS. */
  readonly calls: Record<string, number> = {};
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Socket>();
  readonly #flows = new Set<Flow>();
  readonly #link: Link;

  readonly #host: string;

  constructor(settings: LinkSettings, host = '127.0.0.1') {
    this.#link = new Link(settings);
    this.#host = host;
  }

  async listenFor(targetPort: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) =>
      this.#relay(client, targetPort),
    );
    server.listen(0, this.#host);
    await once(server, 'listening');
    this.#servers.push(server);
    this.ports.push((server.address() as AddressInfo).port);
  }

  /** Nothing passes until `restore()`; connections stay open and what was sent meanwhile is kept. */
  blackHole(): void {
    this.#link.isBlackHole = true;
  }

  /** Ends a black hole: what waited is delivered, as TCP's retransmission would. */
  restore(): void {
    this.#link.isBlackHole = false;
    for (const flow of this.#flows) flow.deliver();
  }

  /** Resets every connection, at both ends; what was under way is lost. New ones are accepted. */
  reset(): void {
    for (const socket of this.#connections) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    const closed = this.#servers.map((server) => once(server.close(), 'close'));
    this.reset();
    await Promise.all(closed);
  }

  /** For one direction of one connection. */
  #counter(direction: Direction): (chunk: Buffer) => void {
    const counter = new RecordCounter((head) => {
      this.records[direction] += 1;
      if (direction === 'toServer' && head.length === CALL_HEAD_BYTES) this.#countCall(head);
    });
    return (chunk) => {
      counter.push(chunk);
      this.bytes[direction] += chunk.length;
    };
  }

  #countCall(head: Buffer): void {
    const key = `${head.readUInt32BE(12)}.${head.readUInt32BE(20)}`;
    this.calls[key] = (this.calls[key] ?? 0) + 1;
  }

  #relay(client: Socket, targetPort: number): void {
    const server = connect({
      host: '127.0.0.1',
      port: targetPort,
      allowHalfOpen: true,
      noDelay: true,
    });
    const openAt = performance.now() + this.#link.oneWayMs * 2;
    const flows = [
      new Flow(client, server, this.#link, 'toServer', this.#counter('toServer'), openAt),
      new Flow(server, client, this.#link, 'toClient', this.#counter('toClient'), openAt),
    ];
    for (const flow of flows) this.#flows.add(flow);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#connections.add(socket);
      // An error is passed on as what it looks like from the other side: a reset.
      socket.on('error', () => other.resetAndDestroy());
      socket.on('close', () => {
        this.#connections.delete(socket);
        for (const flow of flows) {
          if (socket.destroyed && other.destroyed) this.#flows.delete(flow);
          if (flow.to === socket) flow.stop();
        }
      });
    }
  }
}

type Direction = 'toServer' | 'toClient';

/** The state all connections share. */
class Link {
  isBlackHole = false;
  readonly oneWayMs: number;
  readonly toServer: Lane;
  readonly toClient: Lane;

  constructor({ roundTripMs = 0, bytesPerSecond = Number.POSITIVE_INFINITY }: LinkSettings) {
    this.oneWayMs = roundTripMs / 2;
    this.toServer = new Lane(bytesPerSecond / 1000);
    this.toClient = new Lane(bytesPerSecond / 1000);
  }
}

/** One direction of the link: bytes leave one after the other, at its rate. */
class Lane {
  readonly bytesPerMs: number;
  #freeAt = 0;

  constructor(bytesPerMs: number) {
    this.bytesPerMs = bytesPerMs;
  }

  /** When the last of `bytes`, handed over at `time`, has left. */
  departure(bytes: number, time: number): number {
    this.#freeAt = Math.max(time, this.#freeAt) + bytes / this.bytesPerMs;
    return this.#freeAt;
  }
}

type Segment = { readonly due: number; readonly data: Buffer | 'end' };

/** One direction of one connection: segments wait until they are due. */
class Flow {
  readonly to: Socket;
  readonly #from: Socket;
  readonly #link: Link;
  readonly #queue: Segment[] = [];
  #queuedBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    from: Socket,
    to: Socket,
    link: Link,
    direction: Direction,
    count: (chunk: Buffer) => void,
    openAt: number,
  ) {
    const lane = link[direction];
    this.#from = from;
    this.to = to;
    this.#link = link;
    const enqueue = (data: Segment['data'], bytes: number): void => {
      const sentAt = Math.max(performance.now(), openAt);
      this.#queue.push({ due: lane.departure(bytes, sentAt) + link.oneWayMs, data });
      this.#queuedBytes += bytes;
    };
    from.on('data', (chunk: Buffer) => {
      count(chunk);
      const step = Number.isFinite(lane.bytesPerMs) ? SEGMENT_BYTES : chunk.length;
      for (let start = 0; start < chunk.length; start += step) {
        const data = chunk.subarray(start, start + step);
        enqueue(data, data.length);
      }
      if (this.#queuedBytes > WINDOW_BYTES) from.pause();
      this.deliver();
    });
    from.on('end', () => {
      enqueue('end', 0);
      this.deliver();
    });
    to.on('drain', () => this.deliver());
  }

  /** Writes what is due now and sets a timer for what is due later. */
  deliver(): void {
    clearTimeout(this.#timer);
    if (this.#link.isBlackHole) return;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if (this.to.destroyed || this.to.writableNeedDrain) return;
      const wait = next.due - performance.now();
      if (wait > TIMER_GRAIN_MS) {
        this.#timer = setTimeout(() => this.deliver(), wait);
        return;
      }
      this.#queue.shift();
      if (next.data === 'end') this.to.end();
      else {
        this.#queuedBytes -= next.data.length;
        this.to.write(next.data);
      }
    }
    if (this.#queuedBytes <= WINDOW_BYTES && this.#from.isPaused()) this.#from.resume();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
