import { RecordAssembler, type RpcRecord } from './record-marking.ts';
import { SendQueue } from './send-queue.ts';
import type { Transport } from './transport.ts';

/** One connection of a client: sends records, and tells what comes back until it closes. */
export class ClientConnection {
  readonly #transport: Transport;
  readonly #queue: SendQueue;
  readonly #openedAt = performance.now();
  #heardAt = -Infinity;

  /** Resolves with the reason when the connection is gone. */
  readonly closed: Promise<Error | undefined>;

  /** `onRecord` may throw: the connection is then closed for that reason. */
  constructor(transport: Transport, maxRecordBytes: number, onRecord: (record: RpcRecord) => void) {
    const { stream } = transport;
    this.#transport = transport;
    this.#queue = new SendQueue(stream);
    const assembler = new RecordAssembler(maxRecordBytes);
    let reason: Error | undefined;
    this.closed = new Promise((resolve) => {
      stream.on('error', (error) => (reason = error));
      stream.on('end', () => stream.destroy());
      stream.on('close', () => resolve(reason));
    });
    transport.start((bytes) => {
      this.#heardAt = performance.now();
      try {
        assembler.push(bytes, onRecord);
      } catch (error) {
        this.destroy(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  /** When bytes last arrived, on the clock of performance.now(); -Infinity before any did. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Since when it has been silent, on the same clock. */
  get silentSince(): number {
    return Math.max(this.#openedAt, this.#heardAt);
  }

  send(record: RpcRecord): void {
    this.#queue.push(record);
  }

  destroy(reason?: Error): void {
    this.#transport.stream.destroy(reason);
  }
}
