import type { Stream } from '@libp2p/interface';
import { z } from 'zod';
import type { Clock, Timer } from '../clock.ts';
import { isRefusalCode, messageOf, RecordRefusal, RegistryError } from '../errors.ts';
import { decodeCbor, encodeCbor } from '../records/signed-record.ts';
import { encodeFrame, FrameDecoder } from './frame.ts';
import { MAX_RESPONSE_BYTES_OF, responseSchemas } from './messages.ts';
import type { Operation, RequestOf, ResponseOf } from './messages.ts';

/** An answer on the wire: request id, null or the code of an error, then the result or a message. */
const answerSchema = z.union([
  z.tuple([z.int(), z.null(), z.unknown()]),
  z.tuple([z.int(), z.string().max(40), z.string().max(1000)]),
]);
type Answer = z.infer<typeof answerSchema>;

interface Waiting {
  readonly maxBytes: number;
  resolve(answer: Answer): void;
  reject(error: RegistryError): void;
}

/** Our end of the one long-lived stream to a peer: sends requests, pairs the answers by id. */
export class RequestStream {
  readonly #stream: Stream;
  readonly #peerId: string;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  readonly #endListeners: (() => void)[] = [];
  #nextId = 1;
  /** The longest answer that was given up, and may still come. */
  #maxLateBytes = 0;
  #failure: RegistryError | undefined;

  constructor(stream: Stream, peerId: string, clock: Clock) {
    this.#stream = stream;
    this.#peerId = peerId;
    this.#clock = clock;
    // Nobody may send more than was asked for, not even too late.
    const decoder = new FrameDecoder(() =>
      Math.max(this.#maxLateBytes, ...[...this.#waiting.values()].map(({ maxBytes }) => maxBytes)),
    );
    stream.addEventListener('message', ({ data }) => {
      try {
        for (const message of decoder.push(data.subarray())) this.#receive(message);
      } catch (error) {
        // First the reason, then the end, which would otherwise be taken for it.
        this.#fail('PROTOCOL_VIOLATION', `peer ${peerId} sent no answer: ${messageOf(error)}`);
        stream.abort(error instanceof Error ? error : new Error(String(error)));
      }
    });
    const ended = (): void =>
      this.#fail('PEER_UNREACHABLE', `peer ${peerId} closed the connection`);
    stream.addEventListener('remoteCloseWrite', ended);
    stream.addEventListener('close', ended);
  }

  /** Calls `listener` once the stream can carry no more requests; at once if that is so already. */
  onEnd(listener: () => void): void {
    if (this.#failure === undefined) this.#endListeners.push(listener);
    else listener();
  }

  /** @throws as `PeerTransport.request` */
  async request<O extends Operation>(
    request: RequestOf<O>,
    timeoutMs: number,
  ): Promise<ResponseOf<O>> {
    const id = this.#nextId;
    this.#nextId += 1;
    const answer = await this.#exchange(id, request, timeoutMs, MAX_RESPONSE_BYTES_OF[request.op]);
    return this.#resultOf(request.op, answer);
  }

  close(): void {
    this.#fail('CLOSED', 'the registry node was closed');
    this.#stream.abort(new Error('registry node closed'));
  }

  #exchange(id: number, request: unknown, timeoutMs: number, maxBytes: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      let timer: Timer | undefined = undefined;
      const settle = (): void => {
        timer?.cancel();
        this.#waiting.delete(id);
      };
      const waiting: Waiting = {
        maxBytes,
        resolve(answer) {
          settle();
          resolve(answer);
        },
        reject(error) {
          settle();
          reject(error);
        },
      };
      this.#waiting.set(id, waiting);
      timer = this.#clock.after(timeoutMs, () => {
        this.#maxLateBytes = Math.max(this.#maxLateBytes, maxBytes);
        waiting.reject(
          new RegistryError('PEER_TIMEOUT', `peer ${this.#peerId} was silent for ${timeoutMs} ms`),
        );
      });
      try {
        this.#stream.send(encodeFrame(encodeCbor([id, request])));
      } catch (error) {
        waiting.reject(
          new RegistryError('PEER_UNREACHABLE', `peer ${this.#peerId}: ${messageOf(error)}`, {
            cause: error,
          }),
        );
      }
    });
  }

  #receive(message: Uint8Array): void {
    const answer = answerSchema.parse(decodeCbor(message));
    // An answer nobody waits for came after its timeout.
    this.#waiting.get(answer[0])?.resolve(answer);
  }

  #resultOf<O extends Operation>(op: O, [, code, result]: Answer): ResponseOf<O> {
    if (code === null) {
      const parsed = responseSchemas[op].safeParse(result);
      // The schema was picked by the operation itself, which the checker cannot follow.
      if (parsed.success) return parsed.data as ResponseOf<O>;
      throw new RegistryError('PROTOCOL_VIOLATION', `peer ${this.#peerId} answered ${op} wrongly`);
    }
    const text = `peer ${this.#peerId} refused ${op}: ${result}`;
    if (isRefusalCode(code)) throw new RecordRefusal(code, text);
    throw new RegistryError('PROTOCOL_VIOLATION', `${text} (${code})`);
  }

  #fail(code: 'PEER_UNREACHABLE' | 'PROTOCOL_VIOLATION' | 'CLOSED', message: string): void {
    if (this.#failure !== undefined) return;
    const failure = new RegistryError(code, message);
    this.#failure = failure;
    // Forgotten first: who is rejected here and asks again must find a fresh stream.
    for (const listener of this.#endListeners) listener();
    for (const waiting of [...this.#waiting.values()]) waiting.reject(failure);
  }
}
