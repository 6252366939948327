import { closeSync, fdatasync, openSync, statSync, write, writev } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { syncDirectory } from '../store/sync-directory.ts';
import type { CacheDirectory } from './cache-directory.ts';
import type { Segment } from './segment.ts';
import { encodeRecord, encodeSeal, HEADER_BYTES, RECORD_BYTES } from './segment-format.ts';

const fdatasyncOf = promisify(fdatasync);
const writeOf = promisify(write);
const writevOf = promisify(writev);

export interface BlockToStore {
  readonly digest: Buffer;
  readonly bytes: Buffer;
}

/**
 * Appends to a segment whose lock this process holds. Bytes go first and their records after them: a
 * process that is killed in between leaves bytes that nobody is told of. After a power cut there may be a
 * record without its bytes, which the digest tells.
 */
export class SegmentWriter {
  readonly segment: Segment;
  readonly #directory: string;
  readonly #descriptor: number;
  readonly #release: () => void;
  readonly #segmentBytes: number;
  #slot: number;
  #end: number;

  /** @param segment all of which was scanned. @param segmentBytes what its blocks may take together. */
  constructor(
    directory: CacheDirectory,
    segment: Segment,
    { segmentBytes, release }: { readonly segmentBytes: number; readonly release: () => void },
  ) {
    const path = join(directory.path, segment.name);
    this.segment = segment;
    this.#directory = directory.path;
    this.#segmentBytes = segmentBytes;
    this.#release = release;
    this.#descriptor = openSync(path, 'r+');
    this.#slot = segment.nextSlot;
    // Behind all that was begun to be written, whether there is a record of it or not.
    this.#end = Math.max(segment.layout.blocks, statSync(path).size);
  }

  /** How many of these blocks find room, from the first on. */
  roomFor(blocks: readonly BlockToStore[]): number {
    const { slots, blocks: start } = this.segment.layout;
    let end = this.#end;
    let count = 0;
    for (const { bytes } of blocks) {
      end += bytes.length;
      if (end > start + this.#segmentBytes || this.#slot + count >= slots) break;
      count += 1;
    }
    return count;
  }

  /** Nothing was appended to it yet, by anybody. */
  get isEmpty(): boolean {
    return this.#slot === 0;
  }

  /** @throws what the disk says; then nothing more may be appended. */
  async append(blocks: readonly BlockToStore[]): Promise<void> {
    await this.#append(blocks, async () => undefined);
  }

  /**
   * As {@link append}, for copies, whose originals go afterwards: all outlives a power cut when this
   * resolves. The bytes do before there are records: of two places of a block the later one counts, and a
   * power cut must not leave a record here that hides the original.
   */
  async appendDurably(blocks: readonly BlockToStore[]): Promise<void> {
    const sync = (): Promise<void> => fdatasyncOf(this.#descriptor);
    await this.#append(blocks, sync);
    await sync();
    await syncDirectory(this.#directory);
  }

  async #append(
    blocks: readonly BlockToStore[],
    beforeRecords: () => Promise<void>,
  ): Promise<void> {
    let offset = this.#end;
    const records = blocks.map(({ digest, bytes }) => {
      const record = encodeRecord(digest, { offset, length: bytes.length });
      offset += bytes.length;
      return record;
    });
    await writeAll(
      this.#descriptor,
      blocks.map(({ bytes }) => bytes),
      this.#end,
    );
    await beforeRecords();
    await this.#writeRecords(records);
    this.#end = offset;
    this.#slot += records.length;
  }

  /** Nobody will append any more. */
  async seal(): Promise<void> {
    if (this.#slot < this.segment.layout.slots) await this.#writeRecords([encodeSeal()]);
    this.close();
  }

  close(): void {
    closeSync(this.#descriptor);
    this.#release();
  }

  async #writeRecords(records: readonly Buffer[]): Promise<void> {
    const bytes = Buffer.concat(records);
    await writeAll(this.#descriptor, [bytes], HEADER_BYTES + this.#slot * RECORD_BYTES);
  }
}

/** As much as a vector of writev(2) has room for. */
const MAX_PIECES = 1024;

async function writeAll(
  descriptor: number,
  pieces: readonly Buffer[],
  position: number,
): Promise<void> {
  let at = position;
  for (let first = 0; first < pieces.length; first += MAX_PIECES) {
    const some = pieces.slice(first, first + MAX_PIECES);
    const length = some.reduce((sum, piece) => sum + piece.length, 0);
    const { bytesWritten } = await writevOf(descriptor, some, at);
    // The disk took a part: the next write says why.
    if (bytesWritten < length) await writeRest(descriptor, Buffer.concat(some), bytesWritten, at);
    at += length;
  }
}

async function writeRest(
  descriptor: number,
  bytes: Buffer,
  from: number,
  position: number,
): Promise<void> {
  for (let done = from; done < bytes.length;) {
    const { bytesWritten } = await writeOf(
      descriptor,
      bytes,
      done,
      bytes.length - done,
      position + done,
    );
    done += bytesWritten;
  }
}
