import { randomInt } from 'node:crypto';
import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import { XdrError, XdrReader, type XdrWriter } from '@rowfs/xdr';
import { pino, type Logger } from 'pino';
import { type Credential, NO_CREDENTIAL } from './auth.ts';
import { ClientConnection } from './client-connection.ts';
import {
  abortedError,
  closedError,
  connectionError,
  errorOfOutcome,
  RpcError,
  spoiledError,
} from './error.ts';
import { readReplyOutcome, readReplyXid, writeCallHeader } from './message.ts';
import { DEFAULT_MAX_RECORD_BYTES, RecordEncoder, type RpcRecord } from './record-marking.ts';
import type { HostPort } from './address.ts';
import { type Connect, openStream, openTcp, type Transport } from './transport.ts';

export interface RpcClientOptions {
  /** A TCP address, or what opens a byte stream to the server. */
  readonly connect: HostPort | Connect;
  readonly program: number;
  readonly version: number;
  /** For calls that bring none of their own. Default AUTH_NONE. */
  readonly credential?: Credential;
  /** How long a call may take, over all its re-sends. Default 30 s. */
  readonly timeoutMs?: number;
  /** How long connecting may take. Default 5 s. */
  readonly connectTimeoutMs?: number;
  /**
   * How long a connection may be silent while a call waits; then its calls are sent again on a new
   * one. Default 10 s.
   */
  readonly retransmitMs?: number;
  /**
   * After this many connections in a row that failed or brought no reply, the waiting calls are
   * rejected with CONNECTION or BAD_REPLY. Default: they wait until their time is up.
   */
  readonly maxFailedConnections?: number;
  readonly maxRecordBytes?: number;
  readonly logger?: Logger;
}

export interface RpcCallOptions {
  readonly signal?: AbortSignal;
  readonly credential?: Credential;
}

interface Outstanding {
  readonly record: RpcRecord;
  readonly startedAt: number;
  settle(result: XdrReader | RpcError): void;
}

const XIDS = 2 ** 32;
const FIRST_BACKOFF_MS = 25;
const MAX_BACKOFF_MS = 2000;
/** Connections in a row that a server may spoil with what is no RPC before it is given up. */
const MAX_SPOILED_CONNECTIONS = 3;

/**
 * Calls one version of one program on one server.
 *
 * Connects when there is something to call, and keeps the connection. When it is lost, all calls
 * that wait are sent again on the next one with the same xids, so that the server's duplicate
 * request cache can tell them from new ones.
 */
export class RpcClient {
  readonly #open: (signal: AbortSignal) => Promise<Transport>;
  readonly #program: number;
  readonly #version: number;
  readonly #credential: Credential;
  readonly #timeoutMs: number;
  readonly #connectTimeoutMs: number;
  readonly #retransmitMs: number;
  readonly #maxFailedConnections: number;
  readonly #maxRecordBytes: number;
  readonly #logger: Logger;
  readonly #encoder = new RecordEncoder();
  readonly #outstanding = new Map<number, Outstanding>();
  readonly #closing = new AbortController();
  #xid = randomInt(XIDS);
  #connection: ClientConnection | undefined;
  /** The loop that keeps a connection while calls wait; undefined when nothing waits for one. */
  #connecting: Promise<void> | undefined;
  #failedInARow = 0;
  #lastFailure: Error | undefined;

  constructor(options: RpcClientOptions) {
    const { connect } = options;
    this.#open =
      typeof connect === 'function'
        ? (signal) => openStream(connect, signal)
        : (signal) => openTcp(connect, signal);
    this.#program = options.program;
    this.#version = options.version;
    this.#credential = options.credential ?? NO_CREDENTIAL;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#connectTimeoutMs = options.connectTimeoutMs ?? 5_000;
    this.#retransmitMs = options.retransmitMs ?? 10_000;
    this.#maxFailedConnections = options.maxFailedConnections ?? Infinity;
    this.#maxRecordBytes = options.maxRecordBytes ?? DEFAULT_MAX_RECORD_BYTES;
    this.#logger = options.logger ?? pino({ level: 'silent' });
  }

  /**
   * Calls a procedure.
   *
   * @returns a reader that stands at the results. Payloads taken from it by reference stay valid,
   *   and keep the receive buffer (up to 1 MiB) alive.
   * @throws RpcError for everything but a reply of SUCCESS; what `writeArgs` throws.
   */
  async call(
    procedure: number,
    writeArgs: (args: XdrWriter) => void,
    options: RpcCallOptions = {},
  ): Promise<XdrReader> {
    const { signal, credential = this.#credential } = options;
    if (this.#closing.signal.aborted) throw closedError();
    if (signal?.aborted === true) throw abortedError(signal);
    const xid = this.#newXid();
    const record = this.#encoder.encode((writer) => {
      const header = { program: this.#program, version: this.#version, procedure, credential };
      writeCallHeader(writer, xid, header);
      writeArgs(writer);
    });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#timeOut(call), this.#timeoutMs);
      const abort = (): void => call.settle(abortedError(signal));
      const call: Outstanding = {
        record,
        startedAt: performance.now(),
        settle: (result) => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', abort);
          this.#outstanding.delete(xid);
          if (result instanceof RpcError) reject(result);
          else resolve(result);
        },
      };
      signal?.addEventListener('abort', abort);
      this.#outstanding.set(xid, call);
      this.#send(call);
    });
  }

  /** Rejects what waits with CLOSED, and ends the connection. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#rejectAll(closedError());
    await this.#connecting;
    this.#connection?.destroy();
    await this.#connection?.closed;
  }

  #newXid(): number {
    do {
      this.#xid = (this.#xid + 1) % XIDS;
    } while (this.#outstanding.has(this.#xid));
    return this.#xid;
  }

  #send(call: Outstanding): void {
    if (this.#connection !== undefined) {
      this.#connection.send(call.record);
    } else {
      this.#connecting ??= this.#connectUntilNothingWaits();
    }
  }

  /** Tries, with growing pauses, until there is a connection or nothing waits for one. */
  async #connectUntilNothingWaits(): Promise<void> {
    while (this.#outstanding.size > 0 && this.#connection === undefined) {
      await this.#backOff();
      if (this.#outstanding.size === 0) break;
      try {
        await this.#connect();
      } catch (error) {
        this.#connectionFailed(error instanceof Error ? error : new Error(String(error)));
      }
    }
    this.#connecting = undefined;
    for (const call of this.#outstanding.values()) this.#send(call);
  }

  async #connect(): Promise<void> {
    const attempt = new AbortController();
    const give = (reason: Error) => () => attempt.abort(reason);
    const closing = give(closedError());
    const timer = setTimeout(
      give(new Error(`not connected within ${this.#connectTimeoutMs} ms`)),
      this.#connectTimeoutMs,
    );
    this.#closing.signal.addEventListener('abort', closing);
    try {
      const transport = await this.#open(attempt.signal);
      this.#connection = new ClientConnection(transport, this.#maxRecordBytes, (record) =>
        this.#receive(record),
      );
      this.#watch(this.#connection);
    } finally {
      clearTimeout(timer);
      this.#closing.signal.removeEventListener('abort', closing);
    }
  }

  #watch(connection: ClientConnection): void {
    const watch = setInterval(() => {
      const since = Math.max(connection.silentSince, this.#oldestStart());
      if (performance.now() - since < this.#retransmitMs) return;
      connection.destroy(new Error(`the server was silent for ${this.#retransmitMs} ms`));
    }, this.#retransmitMs / 4);
    watch.unref();
    void connection.closed.then((reason) => {
      clearInterval(watch);
      this.#connection = undefined;
      // A server may close an idle connection; only one that left calls waiting has failed.
      if (this.#outstanding.size === 0) return;
      this.#connectionFailed(reason ?? new Error('the server closed the connection'));
      this.#connecting ??= this.#connectUntilNothingWaits();
    });
  }

  #oldestStart(): number {
    // A Map keeps the order of calls: the first is the oldest.
    for (const call of this.#outstanding.values()) return call.startedAt;
    return Infinity;
  }

  #receive(record: RpcRecord): void {
    const reader = new XdrReader(record);
    const call = this.#outstanding.get(readReplyXid(reader));
    // An aborted or timed-out call, or one that was answered on an earlier connection.
    if (call === undefined) return;
    const outcome = readReplyOutcome(reader);
    this.#failedInARow = 0;
    call.settle(outcome.status === 'SUCCESS' ? reader : errorOfOutcome(outcome));
  }

  #connectionFailed(error: Error): void {
    if (this.#closing.signal.aborted) return;
    this.#failedInARow += 1;
    this.#lastFailure = error;
    this.#logger.debug({ err: error, failedInARow: this.#failedInARow }, 'connection failed');
    // What the assembler and the codec throw: the server's bytes are no RPC.
    const spoiled = error instanceof XdrError || error instanceof RpcError;
    const limit = spoiled
      ? Math.min(this.#maxFailedConnections, MAX_SPOILED_CONNECTIONS)
      : this.#maxFailedConnections;
    if (this.#failedInARow < limit) return;
    this.#failedInARow = 0;
    this.#rejectAll(spoiled ? spoiledError(error) : connectionError(error));
  }

  async #backOff(): Promise<void> {
    // The first connection, and the first after one that worked, are tried at once.
    if (this.#failedInARow < 2) return;
    const ms = Math.min(FIRST_BACKOFF_MS * 2 ** (this.#failedInARow - 2), MAX_BACKOFF_MS);
    await pause(ms * (0.5 + Math.random() / 2), this.#closing.signal);
  }

  #rejectAll(error: RpcError): void {
    for (const call of [...this.#outstanding.values()]) call.settle(error);
  }

  #timeOut(call: Outstanding): void {
    const connection = this.#connection;
    if (connection === undefined && this.#lastFailure !== undefined) {
      call.settle(connectionError(this.#lastFailure));
      return;
    }
    call.settle(new RpcError('TIMEOUT', `no reply within ${this.#timeoutMs} ms`));
    // The next call is not to wait on a connection that has not said a word all this time.
    if (connection !== undefined && connection.heardAt < call.startedAt) {
      connection.destroy(new Error('the server did not answer'));
    }
  }
}

/** Ends early, without an error, when the signal fires. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeoutPromise(ms, undefined, { signal }).catch(() => undefined);
}
