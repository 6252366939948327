import { closeSync, openSync, read, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CacheError } from './cache-error.ts';
import {
  type BlockRecord,
  decodeHeader,
  decodeRecord,
  Flag,
  HEADER_BYTES,
  RECORD_BYTES,
  RECORD_WORDS,
  type SegmentLayout,
} from './segment-format.ts';

const readOf = promisify(read);

/** How many records are read at once: of a segment that is new here, and to see whether more came. */
const SCANNED_AT_ONCE = 1024;
const POLLED_AT_ONCE = 32;

/** A record as a scan meets it: the digest is in `words` from `at` on. */
export interface ScannedRecord extends BlockRecord {
  readonly words: Uint32Array;
  readonly at: number;
  readonly slot: number;
  readonly flag: number;
}

/**
 * A file with blocks one after the other, open for reading. One process appends to it; what it appended
 * never changes. When its file is removed, what is open stays readable.
 */
export class Segment {
  /** In this process alone: no two that it opens have the same. */
  readonly handle: number;
  readonly name: string;
  readonly layout: SegmentLayout;
  readonly #descriptor: number;
  readonly #isWritable: boolean;
  /** Up to here records were scanned. */
  #nextSlot = 0;
  #isSealed = false;
  /** By slot, what is not in the file yet; made when there is the first. */
  #marks: Uint8Array | undefined;
  #hasMarks = false;
  #reads = 0;
  #isClosing = false;

  /** @throws CacheError NOT_A_SEGMENT, or what the file system says. */
  constructor(handle: number, name: string, directory: string) {
    const path = join(directory, name);
    const { descriptor, isWritable } = openFile(path);
    this.handle = handle;
    this.name = name;
    this.#descriptor = descriptor;
    this.#isWritable = isWritable;
    try {
      const header = Buffer.alloc(HEADER_BYTES);
      readSync(descriptor, header, 0, HEADER_BYTES, 0);
      const layout = decodeHeader(header);
      if (layout === undefined)
        throw new CacheError('NOT_A_SEGMENT', `${path} is no segment of a block cache`);
      this.layout = layout;
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  /** Nobody will append to it any more, as far as was scanned. */
  get isSealed(): boolean {
    return this.#isSealed || this.#nextSlot >= this.layout.slots;
  }

  /** The one after the last record that a scan met. */
  get nextSlot(): number {
    return this.#nextSlot;
  }

  /** Tells the records that were appended since the last scan, in their order. */
  *scanNew(): Generator<ScannedRecord> {
    if (this.isSealed) return;
    for (const record of this.#scan(this.#nextSlot)) {
      this.#nextSlot = record.slot + 1;
      if (record.length > 0) yield record;
      else this.#isSealed = true;
    }
  }

  /** Tells all records, those that were found wrong too. */
  *scanAll(): Generator<ScannedRecord> {
    for (const record of this.#scan(0)) if (record.length > 0) yield record;
  }

  /** @throws what the disk says. @returns bytes that were read: fewer at the end of the file. */
  readSync(target: Buffer, offset: number): number {
    return readSync(this.#descriptor, target, 0, target.length, offset);
  }

  async read(target: Buffer, offset: number): Promise<number> {
    this.#reads += 1;
    try {
      return (await readOf(this.#descriptor, target, 0, target.length, offset)).bytesRead;
    } finally {
      this.#reads -= 1;
      if (this.#isClosing && this.#reads === 0) closeSync(this.#descriptor);
    }
  }

  /** Remembers that the block was of use; {@link writeMarks} brings it to the file. */
  markUsed(slot: number): void {
    this.#marks ??= new Uint8Array(this.layout.slots);
    if (this.#marks[slot] !== Flag.none) return;
    this.#marks[slot] = Flag.used;
    this.#hasMarks = true;
  }

  /** Says in the file that the block is wrong, so that nobody takes it for one any more. */
  markWrong(slot: number): void {
    this.#marks ??= new Uint8Array(this.layout.slots);
    this.#marks[slot] = Flag.wrong;
    this.#hasMarks = true;
    this.writeMarks();
  }

  /** What cannot be written is let go: marks are hints. */
  writeMarks(): void {
    const marks = this.#marks;
    if (!this.#hasMarks || marks === undefined || !this.#isWritable) return;
    this.#hasMarks = false;
    try {
      const flags = this.#flags(0, this.layout.slots);
      for (let slot = 0; slot < marks.length; slot += 1)
        flags[slot] = Math.max(flags[slot] ?? Flag.none, marks[slot] ?? Flag.none);
      writeSync(this.#descriptor, flags, 0, flags.length, this.layout.flags);
    } catch {
      // A full or read-only disk: what is known here stays known here.
    }
  }

  /** Reads that are under way end first. */
  close(): void {
    this.writeMarks();
    if (this.#isClosing) return;
    this.#isClosing = true;
    if (this.#reads === 0) closeSync(this.#descriptor);
  }

  /**
   * Records from a slot on. One that is not whole has others behind it when the power failed, and none
   * when it is being written just now: those at the end are left for the next time.
   */
  *#scan(from: number): Generator<ScannedRecord> {
    const { slots } = this.layout;
    let wanted = from === 0 ? SCANNED_AT_ONCE : POLLED_AT_ONCE;
    for (let first = from; first < slots; first += wanted) {
      if (first > from) wanted = SCANNED_AT_ONCE;
      wanted = Math.min(wanted, slots - first);
      // A new one each time: its buffer begins at a word's boundary.
      const bytes = Buffer.from(new ArrayBuffer(wanted * RECORD_BYTES));
      const got = this.readSync(bytes, HEADER_BYTES + first * RECORD_BYTES);
      const words = new Uint32Array(bytes.buffer);
      let flags: Buffer | undefined;
      for (let index = 0; index < Math.floor(got / RECORD_BYTES); index += 1) {
        const at = index * RECORD_WORDS;
        const record = decodeRecord(words, at);
        if (record === undefined) continue;
        flags ??= this.#flags(first, wanted);
        const { offset, length } = record;
        yield { offset, length, words, at, slot: first + index, flag: flags[index] ?? Flag.none };
      }
      if (flags === undefined) return;
    }
  }

  #flags(first: number, count: number): Buffer {
    const flags = Buffer.alloc(count);
    readSync(this.#descriptor, flags, 0, count, this.layout.flags + first);
    return flags;
  }
}

function openFile(path: string): { descriptor: number; isWritable: boolean } {
  try {
    return { descriptor: openSync(path, 'r+'), isWritable: true };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EROFS' && code !== 'EPERM') throw error;
    return { descriptor: openSync(path, 'r'), isWritable: false };
  }
}
