import type { Duplex } from 'node:stream';
import { XdrError } from '@rowfs/xdr';
import type { Logger } from 'pino';
import type { CallSource, Dispatcher } from './dispatcher.ts';
import { RpcError } from './error.ts';
import type { Peer } from './address.ts';
import { RecordAssembler, RecordEncoder, type RpcRecord } from './record-marking.ts';
import { ReplyLifetime } from './reply-lifetime.ts';
import { SendQueue } from './send-queue.ts';

/** What one connection may cost the server. */
export interface ConnectionLimits {
  readonly maxRecordBytes: number;
  /** Calls being worked on; further ones wait unread. */
  readonly maxInFlightPerConnection: number;
  /** Reply bytes the peer has not taken; above it, no call is read or begun. */
  readonly maxUnsentBytesPerConnection: number;
}

/** One client's byte stream: reads its calls, has them answered, and writes the replies. */
export class ServerConnection {
  readonly #stream: Duplex;
  readonly #source: CallSource;
  readonly #dispatcher: Dispatcher;
  readonly #limits: ConnectionLimits;
  readonly #logger: Logger;
  readonly #assembler: RecordAssembler;
  readonly #encoder = new RecordEncoder();
  readonly #queue: SendQueue;
  readonly #dropped = new AbortController();
  /** Calls that arrived in the last bytes read but may not begin yet. */
  readonly #waiting: RpcRecord[] = [];
  #inFlight = 0;
  /** No more calls are read: the peer ended its side, or the server is closing. */
  #finishing = false;

  /** Resolves when the stream is closed. */
  readonly closed: Promise<void>;

  constructor(
    stream: Duplex,
    peer: Peer,
    serverSignal: AbortSignal,
    dispatcher: Dispatcher,
    limits: ConnectionLimits,
    logger: Logger,
  ) {
    this.#stream = stream;
    this.#source = { peer, connectionSignal: this.#dropped.signal, serverSignal };
    this.#dispatcher = dispatcher;
    this.#limits = limits;
    this.#logger = logger;
    this.#assembler = new RecordAssembler(limits.maxRecordBytes);
    this.#queue = new SendQueue(stream);
    this.closed = new Promise((resolve) => {
      stream.once('close', () => {
        this.#dropped.abort();
        this.#waiting.length = 0;
        resolve();
      });
    });
    // A reset is how many clients end; the stream closes after it.
    stream.on('error', (error) => logger.debug({ peer, err: error }, 'connection failed'));
    stream.on('drain', () => this.#proceed());
    stream.on('end', () => this.finish());
    stream.on('data', (bytes: Uint8Array) => this.#receive(bytes));
  }

  /** Reads no more calls; ends the stream when those in flight are answered. */
  finish(): void {
    this.#finishing = true;
    this.#stream.pause();
    this.#proceed();
  }

  /** Ends the stream at once. */
  destroy(): void {
    this.#stream.destroy();
  }

  #receive(bytes: Uint8Array): void {
    try {
      this.#assembler.push(bytes, (record) => this.#waiting.push(record));
    } catch (error) {
      this.#refuse(error);
      return;
    }
    this.#proceed();
  }

  /** Begins what may begin, then reads on, stops reading or ends. */
  #proceed(): void {
    const { maxInFlightPerConnection, maxUnsentBytesPerConnection } = this.#limits;
    let begun = 0;
    while (
      begun < this.#waiting.length &&
      this.#inFlight < maxInFlightPerConnection &&
      this.#queue.unsentBytes <= maxUnsentBytesPerConnection
    ) {
      const record = this.#waiting[begun];
      begun += 1;
      if (record !== undefined) void this.#answer(record);
    }
    this.#waiting.splice(0, begun);
    if (this.#finishing) {
      if (this.#waiting.length === 0 && this.#inFlight === 0) this.#end();
    } else if (this.#waiting.length > 0 || this.#queue.unsentBytes > maxUnsentBytesPerConnection) {
      this.#stream.pause();
    } else if (this.#stream.isPaused()) {
      this.#stream.resume();
    }
  }

  async #answer(record: RpcRecord): Promise<void> {
    this.#inFlight += 1;
    const lifetime = new ReplyLifetime();
    try {
      const reply = await this.#dispatcher.answer(record, this.#source, this.#encoder, lifetime);
      if (reply === undefined) lifetime.end();
      else this.#queue.push(reply, lifetime);
    } catch (error) {
      lifetime.end();
      this.#refuse(error);
    } finally {
      this.#inFlight -= 1;
      if (this.#waiting.length > 0 || this.#finishing || this.#stream.isPaused()) this.#proceed();
    }
  }

  /** Bytes that are no calls: nothing that follows them in the stream can be trusted. */
  #refuse(error: unknown): void {
    const { peer } = this.#source;
    const expected = error instanceof XdrError || error instanceof RpcError;
    if (expected) this.#logger.warn({ peer, err: error }, 'connection closed: not RPC');
    else this.#logger.error({ peer, err: error }, 'connection closed: unexpected error');
    this.#stream.destroy();
  }

  #end(): void {
    this.#queue.flush();
    if (!this.#stream.writableEnded) this.#stream.end(() => this.#stream.destroy());
  }
}
