import { createServer, type AddressInfo, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { pino, type Logger } from 'pino';
import { type ConnectionLimits, ServerConnection } from './connection.ts';
import { Dispatcher } from './dispatcher.ts';
import {
  DEFAULT_DUPLICATE_REQUEST_CACHE,
  DuplicateRequestCache,
  type DuplicateRequestCacheLimits,
} from './duplicate-request-cache.ts';
import type { HostPort, Peer } from './address.ts';
import type { RpcProgram } from './program.ts';
import { DEFAULT_MAX_RECORD_BYTES } from './record-marking.ts';
import { openUdpListener, type UdpListener } from './udp-listener.ts';

export interface RpcServerOptions extends Partial<ConnectionLimits> {
  readonly programs: readonly RpcProgram[];
  /** Connections at one time; more are closed at once. Default 4096. */
  readonly maxConnections?: number;
  readonly duplicateRequestCache?: Partial<DuplicateRequestCacheLimits>;
  /** How long close() lets calls in flight finish. Default 2 s. */
  readonly closeGraceMs?: number;
  readonly logger?: Logger;
}

/** Serves programs over TCP, UDP and any byte stream. */
export interface RpcServer {
  /** Listens on TCP; several times for several addresses. Rejects as net.Server does. */
  listen(address: HostPort): Promise<HostPort>;
  /** Listens on UDP. */
  listenUdp(address: HostPort): Promise<HostPort>;
  /** Serves a byte stream that was accepted elsewhere; the server owns it from here on. */
  serve(stream: Duplex, peer: Peer): void;
  /** Connections being served now. */
  connections(): number;
  /** Stops accepting, lets calls in flight finish for a short time, then ends everything. */
  close(): Promise<void>;
}

/** Makes a server of `programs`, listening nowhere yet. */
export function createRpcServer(options: RpcServerOptions): RpcServer {
  return new ProgramServer(options);
}

class ProgramServer implements RpcServer {
  readonly #dispatcher: Dispatcher;
  readonly #limits: ConnectionLimits;
  readonly #maxConnections: number;
  readonly #closeGraceMs: number;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  readonly #listeners = new Set<Server>();
  readonly #udpListeners = new Set<UdpListener>();
  readonly #connections = new Set<ServerConnection>();
  #closed: Promise<void> | undefined;

  constructor(options: RpcServerOptions) {
    this.#logger = options.logger ?? pino({ level: 'silent' });
    const cache = new DuplicateRequestCache({
      ...DEFAULT_DUPLICATE_REQUEST_CACHE,
      ...options.duplicateRequestCache,
    });
    this.#dispatcher = new Dispatcher(options.programs, cache, this.#logger);
    this.#limits = {
      maxRecordBytes: options.maxRecordBytes ?? DEFAULT_MAX_RECORD_BYTES,
      maxInFlightPerConnection: options.maxInFlightPerConnection ?? 128,
      maxUnsentBytesPerConnection: options.maxUnsentBytesPerConnection ?? 8 * 1024 * 1024,
    };
    this.#maxConnections = options.maxConnections ?? 4096;
    this.#closeGraceMs = options.closeGraceMs ?? 2000;
  }

  async listen({ host, port }: HostPort): Promise<HostPort> {
    // Half-open: a client that ends its side after its last call still gets the reply.
    const listener = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true });
    listener.on('connection', (socket) => {
      this.serve(socket, { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 });
    });
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(port, host, () => {
        listener.off('error', reject);
        resolve();
      });
    });
    // For instance out of file descriptors: the connection is lost, the listener goes on.
    listener.on('error', (error) => this.#logger.error({ err: error }, 'accepting failed'));
    this.#listeners.add(listener);
    const bound = listener.address() as AddressInfo;
    return { host: bound.address, port: bound.port };
  }

  async listenUdp(address: HostPort): Promise<HostPort> {
    const listener = await openUdpListener(
      address,
      this.#dispatcher,
      this.#closing.signal,
      this.#logger,
    );
    this.#udpListeners.add(listener);
    return listener.address;
  }

  serve(stream: Duplex, peer: Peer): void {
    if (this.#closed !== undefined || this.#connections.size >= this.#maxConnections) {
      this.#logger.warn({ peer }, 'connection refused: too many, or closing');
      stream.destroy();
      return;
    }
    const connection = new ServerConnection(
      stream,
      peer,
      this.#closing.signal,
      this.#dispatcher,
      this.#limits,
      this.#logger,
    );
    this.#connections.add(connection);
    void connection.closed.then(() => this.#connections.delete(connection));
  }

  connections(): number {
    return this.#connections.size;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const released = [...this.#listeners].map(
      (listener) => new Promise((resolve) => listener.close(resolve)),
    );
    const udpClosed = [...this.#udpListeners].map((listener) => listener.close());
    for (const connection of this.#connections) connection.finish();
    const graceOver = setTimeout(() => {
      this.#closing.abort();
      for (const connection of this.#connections) connection.destroy();
    }, this.#closeGraceMs);
    await Promise.all([...this.#connections].map((connection) => connection.closed));
    clearTimeout(graceOver);
    this.#closing.abort();
    await Promise.all([...released, ...udpClosed]);
  }
}
