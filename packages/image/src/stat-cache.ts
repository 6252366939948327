import { readFile } from 'node:fs/promises';
import { DIGEST_BYTES, digestOf } from './digest.ts';
import { NANOSECONDS_PER_SECOND } from './format.ts';
import type { FileIdentity } from './scan-directory.ts';

const MAGIC = Buffer.from('ROWFSTAT', 'latin1');
const RECORD_BYTES = 16;
const RECORDS_AT = MAGIC.length + DIGEST_BYTES;

/**
 * A file whose ctime is this close to the beginning of the scan may change once more without its
 * ctime changing: clocks of file systems are coarse.
 */
const RACY_NS = BigInt(NANOSECONDS_PER_SECOND);

/**
 * By which inode number and ctime of the source each regular file of an image was read, so that the
 * next build can tell a file that nobody touched since. It belongs to the machine, never to the
 * image. A ctime cannot be set back, as an mtime can.
 */
export class StatCache {
  readonly #bytes: Buffer;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** @param identities By fileid, where the file is a regular one. */
  static of(
    image: { readonly digest: Uint8Array; readonly inodeCount: number },
    identities: ReadonlyMap<number, FileIdentity>,
    scanBeganNs: bigint,
  ): StatCache {
    const end = RECORDS_AT + image.inodeCount * RECORD_BYTES;
    const bytes = Buffer.alloc(end + DIGEST_BYTES);
    MAGIC.copy(bytes);
    bytes.set(image.digest, MAGIC.length);
    for (const [fileid, { ino, ctimeNs }] of identities) {
      if (ctimeNs > scanBeganNs - RACY_NS) continue;
      const at = RECORDS_AT + (fileid - 1) * RECORD_BYTES;
      bytes.writeBigUInt64LE(ino, at);
      bytes.writeBigInt64LE(ctimeNs, at + 8);
    }
    bytes.set(digestOf(bytes.subarray(0, end)), end);
    return new StatCache(bytes);
  }

  /**
   * Reads the cache that was made with the image.
   *
   * @returns undefined when there is none, or it is damaged, or of another image: then everything is
   *   read again, and nothing is lost but time.
   */
  static async read(
    path: string,
    image: { readonly digest: Uint8Array; readonly inodeCount: number },
  ): Promise<StatCache | undefined> {
    const bytes = await readFile(path).catch(() => undefined);
    const end = RECORDS_AT + image.inodeCount * RECORD_BYTES;
    const isWhole =
      bytes?.length === end + DIGEST_BYTES &&
      bytes.subarray(0, MAGIC.length).equals(MAGIC) &&
      bytes.subarray(MAGIC.length, RECORDS_AT).equals(image.digest) &&
      bytes.subarray(end).equals(digestOf(bytes.subarray(0, end)));
    return isWhole ? new StatCache(bytes) : undefined;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Whether the image's file was read from the inode of this identity, unchanged since. */
  holds(fileid: number, { ino, ctimeNs }: FileIdentity): boolean {
    const at = RECORDS_AT + (fileid - 1) * RECORD_BYTES;
    return (
      ino !== 0n &&
      this.#bytes.readBigUInt64LE(at) === ino &&
      this.#bytes.readBigInt64LE(at + 8) === ctimeNs
    );
  }
}
