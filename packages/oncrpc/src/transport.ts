import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { HostPort } from './address.ts';

/** Opens a byte stream to a server; `signal` fires when it is not wanted any more. */
export type Connect = (signal: AbortSignal) => Promise<Duplex>;

/** An open stream, and how its bytes are had. */
export interface Transport {
  readonly stream: Duplex;
  /** Begins the delivery of bytes; called once. */
  start(onBytes: (bytes: Uint8Array) => void): void;
}

const SLAB_BYTES = 1024 * 1024;
const MIN_ROOM_BYTES = 64 * 1024;

/** Reads whatever `connect` opens by its 'data' events. */
export async function openStream(connect: Connect, signal: AbortSignal): Promise<Transport> {
  const stream = await unlessAborted(connect(signal), signal);
  return { stream, start: (onBytes) => void stream.on('data', onBytes) };
}

/**
 * Connects over TCP and reads into slabs of 1 MiB: a large reply arrives in one or two pieces, and
 * costs no allocation per read.
 */
export async function openTcp({ host, port }: HostPort, signal: AbortSignal): Promise<Transport> {
  let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  let used = 0;
  let deliver: ((bytes: Uint8Array) => void) | undefined;
  const early: Uint8Array[] = [];
  const socket = connect({
    host,
    port,
    noDelay: true,
    keepAlive: true,
    onread: {
      buffer: () => {
        if (slab.length - used < MIN_ROOM_BYTES) {
          slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
          used = 0;
        }
        return slab.subarray(used);
      },
      callback: (length, buffer) => {
        used += length;
        const bytes = buffer.subarray(0, length);
        if (deliver === undefined) early.push(bytes);
        else deliver(bytes);
        return true;
      },
    },
  });
  const connected = new Promise<Duplex>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
  try {
    await unlessAborted(connected, signal);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return {
    stream: socket,
    start: (onBytes) => {
      deliver = onBytes;
      for (const bytes of early.splice(0)) onBytes(bytes);
    },
  };
}

/** Rejects when the signal fires first; a stream that opens after all is destroyed. */
function unlessAborted(opening: Promise<Duplex>, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    opening.then((stream) => {
      signal.removeEventListener('abort', abort);
      if (signal.aborted) stream.destroy();
      resolve(stream);
    }, reject);
  });
}
