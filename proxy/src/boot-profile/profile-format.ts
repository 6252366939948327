/**
 * The bytes of a boot profile, as docs/cache.md gives them:
 *
 *     `ROWFSBPF`:8  version:4  image's digest:32  boots  runs  and for each run:
 *     distance of its first block from the end of the run before it, blocks, boots;
 *     at the end the BLAKE3 of all before it:32
 *
 * The version is little-endian; other numbers are LEB128, distances zigzag as protocol buffers have it.
 */
import { DIGEST_BYTES, digestOf, type Image } from '@rowfs/image';
import type { BootProfile, ProfileRun } from './boot-profile.ts';
import { ProfileError } from './profile-error.ts';

const MAGIC = Buffer.from('ROWFSBPF', 'latin1');
const VERSION = 1;
const HEADER_BYTES = MAGIC.length + 4 + DIGEST_BYTES;
/** Numbers below 2^32 take at most this. */
const MAX_VARINT_BYTES = 5;

export function encodeProfile({ image, boots, runs }: BootProfile): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(VERSION, MAGIC.length);
  image.copy(header, MAGIC.length + 4);
  const bytes: number[] = [];
  putVarint(bytes, boots);
  putVarint(bytes, runs.length);
  let end = 0;
  for (const { first, count, boots: seen } of runs) {
    const distance = first - end;
    putVarint(bytes, distance < 0 ? -distance * 2 - 1 : distance * 2);
    putVarint(bytes, count);
    putVarint(bytes, seen);
    end = first + count;
  }
  const all = Buffer.concat([header, Buffer.from(bytes)]);
  return Buffer.concat([all, digestOf(all)]);
}

/**
 * Reads a profile that anybody may have made: what it brings is a list of blocks that the image has.
 *
 * @throws ProfileError NOT_A_PROFILE, WRONG_IMAGE
 */
export function decodeProfile(bytes: Buffer, image: Image): BootProfile {
  const end = bytes.length - DIGEST_BYTES;
  if (end < HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC))
    throw new ProfileError('NOT_A_PROFILE', 'this is no boot profile');
  if (bytes.readUInt32LE(MAGIC.length) !== VERSION)
    throw new ProfileError('NOT_A_PROFILE', 'this boot profile is of a version unknown here');
  if (!digestOf(bytes.subarray(0, end)).equals(bytes.subarray(end)))
    throw new ProfileError('NOT_A_PROFILE', 'this boot profile is damaged');
  const digest = bytes.subarray(MAGIC.length + 4, HEADER_BYTES);
  if (!digest.equals(image.digest))
    throw new ProfileError('WRONG_IMAGE', 'this is the boot profile of another image');
  const reader = new Varints(bytes.subarray(HEADER_BYTES, end));
  const boots = reader.next();
  const runs = [...readRuns(reader, image.blockCount, boots)];
  if (boots === 0 || !reader.isAtEnd)
    throw new ProfileError('NOT_A_PROFILE', 'this boot profile breaks its format');
  return { image: image.digest, boots, runs };
}

function* readRuns(reader: Varints, blockCount: number, boots: number): Generator<ProfileRun> {
  const isTold = new Uint8Array(blockCount);
  let end = 0;
  for (let left = reader.next(); left > 0; left -= 1) {
    const distance = reader.next();
    const first = end + (distance % 2 === 1 ? -(distance + 1) / 2 : distance / 2);
    const count = reader.next();
    const seen = reader.next();
    end = first + count;
    const isLegal = first >= 0 && count > 0 && end <= blockCount && seen > 0 && seen <= boots;
    if (!isLegal || isTold.subarray(first, end).includes(1))
      throw new ProfileError('NOT_A_PROFILE', 'this boot profile breaks its format');
    isTold.fill(1, first, end);
    yield { first, count, boots: seen };
  }
}

/** Seven bits at a time, the lowest first; the eighth says that more follow. */
function putVarint(bytes: number[], value: number): void {
  let left = value;
  while (left > 0x7f) {
    bytes.push((left % 0x80) | 0x80);
    left = Math.floor(left / 0x80);
  }
  bytes.push(left);
}

class Varints {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  next(): number {
    let value = 0;
    for (let index = 0; index < MAX_VARINT_BYTES; index += 1) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) break;
      this.#at += 1;
      value += (byte & 0x7f) * 0x80 ** index;
      if (byte < 0x80) return value;
    }
    throw new ProfileError('NOT_A_PROFILE', 'this boot profile breaks its format');
  }
}
