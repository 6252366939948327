import type { RecordStore } from '../store/record-store.ts';
import { REPLY_TABLE } from './records.ts';

/** How many replies are kept; the oldest one makes room for the next. Many more than a machine waits for. */
const PLACES = 1024;
/**
 * How long what an earlier process answered is answered again: longer than it takes a client to come back,
 * which on Linux tries every 5 minutes in the end; not for ever, for some begin anew with the same xids.
 */
const LIFETIME_MS = 15 * 60_000;

const SEQUENCE_BYTES = 6;
const HEADER_BYTES = SEQUENCE_BYTES + 2;

/** A reply in the ring: `request` is what its call is known by. */
export interface KeptReply {
  /** Counts the replies of the shadow. */
  readonly sequence: number;
  readonly request: string;
  /** As bytes of the wire. */
  readonly result: Buffer;
}

/*
 * The record of a reply: sequence:6, length of the request:2, request, result; integers are big-endian. Its
 * place is the sequence modulo 1024.
 */
function encodeReply({ sequence, request, result }: KeptReply): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + request.length + result.length);
  bytes.writeUIntBE(sequence, 0, SEQUENCE_BYTES);
  bytes.writeUInt16BE(request.length, SEQUENCE_BYTES);
  bytes.write(request, HEADER_BYTES, 'latin1');
  bytes.set(result, HEADER_BYTES + request.length);
  return bytes;
}

/** Undefined for what is no record of a reply at its place. */
export function decodeReply(key: Buffer, bytes: Buffer): KeptReply | undefined {
  if (key.length !== REPLY_TABLE.length + 2 || bytes.length < HEADER_BYTES) return undefined;
  const sequence = bytes.readUIntBE(0, SEQUENCE_BYTES);
  const end = HEADER_BYTES + bytes.readUInt16BE(SEQUENCE_BYTES);
  if (end > bytes.length || key.readUInt16BE(REPLY_TABLE.length) !== sequence % PLACES)
    return undefined;
  const request = bytes.toString('latin1', HEADER_BYTES, end);
  return { sequence, request, result: bytes.subarray(end) };
}

function placeOf(sequence: number): string {
  const place = sequence % PLACES;
  return REPLY_TABLE + String.fromCharCode(place >>> 8, place & 0xff);
}

/**
 * The duplicate request cache beyond the process: what the last calls that changed something were answered,
 * each in the transaction of its change. A client whose server dies sends what was not answered to the next
 * one; done a second time, a REMOVE would be NFS3ERR_NOENT though it has removed the file.
 *
 * Only what earlier processes answered is looked for here. The server knows the calls of its own life.
 */
export class KeptReplies {
  readonly #now: () => number;
  readonly #expireAt: number;
  readonly #earlier = new Map<string, Buffer>();
  #sequence = 0;

  /** @param now milliseconds of a clock that only goes forward. */
  constructor(records: Pick<RecordStore, 'range'>, now = () => performance.now()) {
    this.#now = now;
    this.#expireAt = now() + LIFETIME_MS;
    const kept = [...records.range(REPLY_TABLE, REPLY_TABLE)].flatMap(
      ({ key, value }) => decodeReply(key, value) ?? [],
    );
    // Of two under one name the later one counts.
    kept.sort((a, b) => a.sequence - b.sequence);
    for (const { request, result } of kept) this.#earlier.set(request, result);
    this.#sequence = (kept.at(-1)?.sequence ?? -1) + 1;
  }

  /** What an earlier process answered to the call; undefined when it answered none, or long ago. */
  earlier(request: string): Buffer | undefined {
    if (this.#earlier.size > 0 && this.#now() > this.#expireAt) this.#earlier.clear();
    return this.#earlier.get(request);
  }

  /** The record that keeps the result of a call, to be staged with what the call changes. */
  next(request: string, result: Buffer): { readonly key: string; readonly record: Buffer } {
    const sequence = this.#sequence;
    this.#sequence += 1;
    return { key: placeOf(sequence), record: encodeReply({ sequence, request, result }) };
  }
}
