import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { XdrReader, type XdrWriter } from '@rowfs/xdr';
import type { HostPort } from '../address.ts';
import { type Credential, NO_CREDENTIAL } from '../auth.ts';
import { type ReplyOutcome, readReplyOutcome, readReplyXid, writeCallHeader } from '../message.ts';
import { RecordAssembler, RecordEncoder } from '../record-marking.ts';

export interface RawReply {
  readonly xid: number;
  readonly outcome: ReplyOutcome;
  readonly results: XdrReader;
}

export interface RawCall {
  readonly xid?: number;
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  readonly credential?: Credential;
  readonly writeArgs?: (writer: XdrWriter) => void;
}

/** The bytes of a call, record mark included. */
export function encodeCall(call: RawCall): Buffer {
  const { xid = 1, program, version, procedure, credential = NO_CREDENTIAL, writeArgs } = call;
  const record = new RecordEncoder().encode((writer) => {
    writeCallHeader(writer, xid, { program, version, procedure, credential });
    writeArgs?.(writer);
  });
  return Buffer.concat(record);
}

/** A TCP client that sends what it is told, byte for byte, and reads replies one by one. */
export class RawPeer {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  readonly #replies: RawReply[] = [];
  #wake: () => void = () => undefined;

  static async connect({ host, port }: HostPort): Promise<RawPeer> {
    const socket = connect({ host, port, allowHalfOpen: true });
    await once(socket, 'connect');
    return new RawPeer(socket);
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    const assembler = new RecordAssembler(1 << 24);
    socket.on('data', (bytes) => {
      assembler.push(bytes, (record) => {
        const results = new XdrReader(record);
        const xid = readReplyXid(results);
        this.#replies.push({ xid, outcome: readReplyOutcome(results), results });
      });
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('end', () => socket.end());
    this.closed = new Promise((resolve) => socket.on('close', resolve));
    void this.closed.then(() => this.#wake());
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The next reply, in the order of arrival. Rejects when the connection closes without one. */
  async reply(): Promise<RawReply> {
    for (;;) {
      const reply = this.#replies.shift();
      if (reply !== undefined) return reply;
      if (this.socket.closed) throw new Error('the server closed the connection');
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async ask(call: RawCall): Promise<RawReply> {
    this.send(encodeCall(call));
    return this.reply();
  }

  async close(): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }
}
