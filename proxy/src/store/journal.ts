import {
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { syncDirectory } from './sync-directory.ts';

const fdatasyncOf = promisify(fdatasync);

/** Values by key; undefined for a key that is removed. */
export type Writes = ReadonlyMap<string, Buffer | undefined>;

/*
 * A file `journal-<generation>` is one frame after the other, each with the writes of one transaction;
 * integers are big-endian:
 *
 *     crc32 of the rest:4  length of the writes:4
 *     and for each write:  length of the key:2  length of the value:4  key  value
 *
 * A value's length of 0xffffffff means that the key is removed. The crc begins with the generation, for
 * behind the last frame there are zeros, or what the file held when it was of an older one.
 */
/** Where the records note from which generation on files count. */
export const GENERATION_KEY = 'mjournal';

const FILE = /^journal-(?<generation>\d+)$/;
/** A file that is not needed any more, kept to be the next one. */
const SPARE = 'journal-spare';
/** How much of a file is made at a time, as zeros: what is made already needs only its data synced. */
const LEAST_AHEAD = 64 * 1024;
const MOST_AHEAD = 1024 * 1024;
const CRC_BYTES = 4;
const FRAME_BYTES = 8;
const WRITE_BYTES = 6;
const REMOVED = 0xffff_ffff;
/** What lmdb takes: a key that it refused later would be in the way of all that is behind it. */
const MAX_KEY_BYTES = 1978;

/**
 * A write-ahead log: what is written goes here first, for one fdatasync instead of the two that a
 * transaction of lmdb takes, and to the records when there is a bundle of it. What was appended outlives the
 * process at once, and a power cut when `sync` has resolved.
 *
 * The records note the generation from which on files count; what is in older ones they have.
 */
export class Journal {
  readonly #directory: string;
  #generation: number;
  #descriptor: number | undefined;
  /** Of frames in the file that is being written, and how many of them are on stable storage. */
  #bytes = 0;
  #syncedBytes = 0;
  /** Of the file, what is made ahead included. */
  #madeBytes = 0;
  #hasSpare: boolean;
  #isNameUnsynced = false;

  /** @param generation that the records have noted. */
  constructor(directory: string, generation: number) {
    this.#directory = directory;
    this.#generation = Math.max(generation, ...filesIn(directory)) + 1;
    this.#hasSpare = existsSync(this.#sparePath);
  }

  /** Bytes of what was appended to the file that is being written. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @throws what the disk says; then {@link next} must be called before anything is appended. */
  append(writes: Writes): void {
    if (writes.size === 0) return;
    const frame = encode(writes, this.#generation);
    const descriptor = (this.#descriptor ??= this.#open());
    this.#makeAhead(descriptor, this.#bytes + frame.length);
    if (writeSync(descriptor, frame, 0, frame.length, this.#bytes) < frame.length)
      throw Object.assign(new Error('the disk took a part'), { code: 'ENOSPC' });
    this.#bytes += frame.length;
    this.#madeBytes = Math.max(this.#madeBytes, this.#bytes);
  }

  /**
   * Resolves when all that is appended by now is on stable storage. Until then no other file is begun.
   *
   * @throws what the disk says: what is on it then, nobody knows.
   */
  async sync(): Promise<void> {
    const upTo = this.#bytes;
    if (this.#descriptor === undefined || this.#syncedBytes === upTo) return;
    await fdatasyncOf(this.#descriptor);
    if (this.#isNameUnsynced) await syncDirectory(this.#directory);
    this.#isNameUnsynced = false;
    this.#syncedBytes = upTo;
  }

  /** Begins a new file. @returns its generation: what was appended before is in older ones. */
  next(): number {
    this.#closeFile();
    this.#generation += 1;
    return this.#generation;
  }

  /** The records have what is in files before `generation`. */
  forget(generation: number): void {
    try {
      for (const each of filesIn(this.#directory)) {
        if (each >= generation) continue;
        const path = pathOf(this.#directory, each);
        if (this.#hasSpare) unlinkSync(path);
        else renameSync(path, this.#sparePath);
        this.#hasSpare = true;
      }
    } catch {
      // It counts no more, and goes with the next ones.
    }
  }

  close(): void {
    this.#closeFile();
    try {
      unlinkSync(this.#sparePath);
    } catch {
      // There is none, or it will be of use the next time.
    }
  }

  get #sparePath(): string {
    return join(this.#directory, SPARE);
  }

  #open(): number {
    const path = pathOf(this.#directory, this.#generation);
    this.#isNameUnsynced = true;
    this.#hasSpare = false;
    try {
      renameSync(this.#sparePath, path);
    } catch {
      return openSync(path, 'wx', 0o600);
    }
    const descriptor = openSync(path, 'r+');
    this.#madeBytes = fstatSync(descriptor).size;
    return descriptor;
  }

  #makeAhead(descriptor: number, bytes: number): void {
    if (bytes <= this.#madeBytes) return;
    const ahead = Math.min(Math.max(this.#madeBytes, LEAST_AHEAD), MOST_AHEAD);
    try {
      this.#madeBytes += writeSync(descriptor, Buffer.alloc(ahead), 0, ahead, this.#madeBytes);
    } catch {
      // There may be room for what is to be appended nevertheless.
    }
  }

  #closeFile(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#bytes = this.#syncedBytes = this.#madeBytes = 0;
  }
}

/** What the files of `generation` and later ones say, as far as they are whole; the last write counts. */
export function readJournal(
  directory: string,
  generation: number,
): Map<string, Buffer | undefined> {
  const writes = new Map<string, Buffer | undefined>();
  for (const each of filesIn(directory)) {
    if (each < generation) continue;
    for (const [key, value] of writesIn(readFileSync(pathOf(directory, each)), each))
      writes.set(key, value);
  }
  return writes;
}

/** Whether whoever wrote the records last has not closed them, or not yet. */
export function hasJournal(directory: string): boolean {
  return filesIn(directory).length > 0;
}

/** What a killed process had appended and not synced is on stable storage when this returns. */
export function syncJournal(directory: string, generation: number): void {
  for (const each of filesIn(directory)) {
    if (each < generation) continue;
    const descriptor = openSync(pathOf(directory, each), 'r+');
    try {
      fdatasyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }
}

/** Generations that have a file, in order. */
function filesIn(directory: string): number[] {
  const names = readdirSync(directory);
  const generations = names.flatMap((name) => FILE.exec(name)?.groups?.['generation'] ?? []);
  return generations.map(Number).sort((a, b) => a - b);
}

function pathOf(directory: string, generation: number): string {
  return join(directory, `journal-${generation}`);
}

function encode(writes: Writes, generation: number): Buffer {
  let length = FRAME_BYTES;
  for (const [key, value] of writes) {
    if (key.length > MAX_KEY_BYTES) throw new RangeError(`a key of ${key.length} bytes`);
    length += WRITE_BYTES + key.length + (value?.length ?? 0);
  }
  const frame = Buffer.alloc(length);
  frame.writeUInt32BE(length - FRAME_BYTES, CRC_BYTES);
  let at = FRAME_BYTES;
  for (const [key, value] of writes) {
    at = frame.writeUInt16BE(key.length, at);
    at = frame.writeUInt32BE(value?.length ?? REMOVED, at);
    at += frame.write(key, at, 'latin1');
    if (value !== undefined) frame.set(value, at);
    at += value?.length ?? 0;
  }
  frame.writeUInt32BE(crcOf(frame.subarray(CRC_BYTES), generation), 0);
  return frame;
}

/** Of the same bytes in files of two generations it is never the same. */
function crcOf(bytes: Buffer, generation: number): number {
  return crc32(bytes, generation >>> 0);
}

function* writesIn(bytes: Buffer, generation: number): Generator<[string, Buffer | undefined]> {
  for (let at = 0; at + FRAME_BYTES <= bytes.length;) {
    const end = at + FRAME_BYTES + bytes.readUInt32BE(at + CRC_BYTES);
    // No frame is empty: zeros are what was made ahead.
    if (end === at + FRAME_BYTES || end > bytes.length) return;
    if (crcOf(bytes.subarray(at + CRC_BYTES, end), generation) !== bytes.readUInt32BE(at)) return;
    for (at += FRAME_BYTES; at < end;) {
      const keyEnd = at + WRITE_BYTES + bytes.readUInt16BE(at);
      const length = bytes.readUInt32BE(at + 2);
      const key = bytes.toString('latin1', at + WRITE_BYTES, keyEnd);
      at = keyEnd + (length === REMOVED ? 0 : length);
      yield [key, length === REMOVED ? undefined : bytes.subarray(keyEnd, at)];
    }
  }
}
