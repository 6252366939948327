import { closeSync, openSync, readdirSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

/*
 * A file `facts-<generation>` is one entry after the other, integers big-endian:
 *
 *     crc32 of the rest:4  length of the key:2  length of the value:4  key  value
 */
const FILE = /^facts-(?<generation>\d+)$/;
const HEADER_BYTES = 10;
const CRC_BYTES = 4;

/**
 * Facts that wait to be taken into the records, in files beside them that outlive the process. They are
 * written, but not synced: keeping a fact costs no fsync. A power cut may take them, or tear them.
 *
 * The records note the generation from which on files count; what is in older ones they have.
 */
export class FactLog {
  readonly #directory: string;
  #generation: number;
  #descriptor: number | undefined;

  /** @param generation that the records have noted. */
  constructor(directory: string, generation: number) {
    this.#directory = directory;
    this.#generation = Math.max(generation, ...this.#files()) + 1;
  }

  /** What the files of `generation` and later ones have, as far as it is whole. */
  read(generation: number): Map<string, Buffer> {
    const facts = new Map<string, Buffer>();
    for (const each of this.#files()) {
      if (each < generation) continue;
      for (const [key, value] of entriesOf(readFileSync(this.#path(each)))) facts.set(key, value);
    }
    return facts;
  }

  /** @throws what the disk says; nothing of `facts` may count as kept then. */
  append(facts: ReadonlyMap<string, Buffer>): void {
    const entries = [...facts].map(([key, value]) => encode(key, value));
    const bytes = Buffer.concat(entries);
    try {
      this.#descriptor ??= openSync(this.#path(this.#generation), 'ax', 0o600);
      if (writeSync(this.#descriptor, bytes) < bytes.length)
        throw new Error('the disk took a part');
    } catch (error) {
      // Behind half an entry nothing can be read.
      this.next();
      throw error;
    }
  }

  /** Begins a new file. @returns its generation: what was appended before is in older ones. */
  next(): number {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#generation += 1;
    return this.#generation;
  }

  /** The records have what is in files before `generation`. */
  forget(generation: number): void {
    try {
      for (const each of this.#files()) if (each < generation) unlinkSync(this.#path(each));
    } catch {
      // It counts no more, and goes with the next ones.
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  /** Generations that have a file, in order. */
  #files(): number[] {
    const names = readdirSync(this.#directory);
    const generations = names.flatMap((name) => FILE.exec(name)?.groups?.['generation'] ?? []);
    return generations.map(Number).sort((a, b) => a - b);
  }

  #path(generation: number): string {
    return join(this.#directory, `facts-${generation}`);
  }
}

function encode(key: string, value: Buffer): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + key.length + value.length);
  bytes.writeUInt16BE(key.length, 4);
  bytes.writeUInt32BE(value.length, 6);
  bytes.write(key, HEADER_BYTES, 'latin1');
  bytes.set(value, HEADER_BYTES + key.length);
  bytes.writeUInt32BE(crc32(bytes.subarray(CRC_BYTES)), 0);
  return bytes;
}

function* entriesOf(bytes: Buffer): Generator<[string, Buffer]> {
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const keyEnd = at + HEADER_BYTES + bytes.readUInt16BE(at + 4);
    const end = keyEnd + bytes.readUInt32BE(at + 6);
    if (end > bytes.length) return;
    if (crc32(bytes.subarray(at + CRC_BYTES, end)) !== bytes.readUInt32BE(at)) return;
    yield [bytes.toString('latin1', at + HEADER_BYTES, keyEnd), bytes.subarray(keyEnd, end)];
    at = end;
  }
}
