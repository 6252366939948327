import type { Writable } from 'node:stream';
import type { RpcRecord } from './record-marking.ts';
import type { ReplyLifetime } from './reply-lifetime.ts';

/**
 * Gathers the records of one turn of the event loop and sends them with one vectored write:
 * a system call per record is what bounds small calls.
 */
export class SendQueue {
  readonly #stream: Writable;
  #pieces: Uint8Array[] = [];
  #pendingBytes = 0;
  /** Of the pending records: those whose end somebody waits for. */
  #lifetimes: ReplyLifetime[] = [];
  #flush: NodeJS.Immediate | undefined;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** Bytes that were not given to the operating system yet. */
  get unsentBytes(): number {
    return this.#pendingBytes + this.#stream.writableLength;
  }

  /** @param lifetime ends when the record was given to the operating system, or cannot be any more. */
  push(record: RpcRecord, lifetime?: ReplyLifetime): void {
    if (lifetime?.isAwaited === true) this.#lifetimes.push(lifetime);
    for (const piece of record) {
      this.#pendingBytes += piece.length;
      this.#append(piece);
    }
    this.#flush ??= setImmediate(() => this.flush());
  }

  /** Sends what is pending now; nothing is sent on a stream that has ended. */
  flush(): void {
    clearImmediate(this.#flush);
    this.#flush = undefined;
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#pendingBytes = 0;
    const lifetimes = this.#lifetimes;
    this.#lifetimes = [];
    const onWritten = (): void => {
      for (const lifetime of lifetimes) lifetime.end();
    };
    if (!this.#stream.writable) {
      onWritten();
      return;
    }
    this.#stream.cork();
    const last = lifetimes.length > 0 ? pieces.pop() : undefined;
    for (const piece of pieces) this.#stream.write(piece);
    if (last !== undefined) this.#stream.write(last, onWritten);
    this.#stream.uncork();
  }

  /** Pieces that follow each other in one slab are sent as one. */
  #append(piece: Uint8Array): void {
    const index = this.#pieces.length - 1;
    const last = this.#pieces[index];
    if (last?.buffer === piece.buffer && last.byteOffset + last.length === piece.byteOffset) {
      this.#pieces[index] = new Uint8Array(
        last.buffer,
        last.byteOffset,
        last.length + piece.length,
      );
      return;
    }
    this.#pieces.push(piece);
  }
}
