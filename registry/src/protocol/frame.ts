import { RegistryError } from '../errors.ts';

const LENGTH_BYTES = 4;

/** One message on the wire: its length as 4 bytes, big-endian, then its bytes. */
export function encodeFrame(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(LENGTH_BYTES + message.length);
  new DataView(frame.buffer).setUint32(0, message.length);
  frame.set(message, LENGTH_BYTES);
  return frame;
}

/** Cuts a byte stream into messages, and never holds more than one message's limit. */
export class FrameDecoder {
  readonly #maxBytes: () => number;
  #chunks: Uint8Array[] = [];
  #buffered = 0;

  /** `maxBytes` is the limit of one message; asked for each, where it changes. */
  constructor(maxBytes: number | (() => number)) {
    this.#maxBytes = typeof maxBytes === 'number' ? () => maxBytes : maxBytes;
  }

  /** Whether a message has begun that is not complete. */
  get isMidway(): boolean {
    return this.#buffered > 0;
  }

  /**
   * Takes the next bytes and returns the messages they complete.
   *
   * @throws RegistryError PROTOCOL_VIOLATION when a message announces more than the limit
   */
  push(chunk: Uint8Array): Uint8Array[] {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    const messages: Uint8Array[] = [];
    while (this.#buffered >= LENGTH_BYTES) {
      const length = this.#peekLength();
      const maxBytes = this.#maxBytes();
      if (length > maxBytes) {
        throw new RegistryError(
          'PROTOCOL_VIOLATION',
          `a message of ${length} bytes was announced, the limit is ${maxBytes}`,
        );
      }
      if (this.#buffered < LENGTH_BYTES + length) break;
      const bytes = this.#joined();
      messages.push(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
      const rest = bytes.subarray(LENGTH_BYTES + length);
      this.#chunks = rest.length === 0 ? [] : [rest];
      this.#buffered = rest.length;
    }
    return messages;
  }

  #peekLength(): number {
    const first = this.#chunks[0];
    // Joined only when the length itself is split; a long message is joined once, when it is whole.
    const head = first !== undefined && first.length >= LENGTH_BYTES ? first : this.#joined();
    return new DataView(head.buffer, head.byteOffset).getUint32(0);
  }

  #joined(): Uint8Array {
    const [first, ...others] = this.#chunks;
    if (first !== undefined && others.length === 0) return first;
    const joined = Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }
}
