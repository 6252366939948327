import type { Image } from '@rowfs/image';
import { type Filehandle, Nfsstat3, type Nfsstat3Error } from '@rowfs/nfs3';

/*
 * Handles of an image's inodes say all that is to be known of them, so that they are the same on every
 * machine and after every restart, and no table is needed:
 *
 *     byte 0       format, 0xB1
 *     bytes 1-7    the first bytes of the image's digest: a handle of another image is told from a
 *                  broken one
 *     bytes 8-11   fileid, big-endian
 *     bytes 12-15  the fileid once more, mixed with other bytes of the digest: no two fileids have the
 *                  same, so that a handle with some bytes changed does not lead to another file
 */
const FORMAT = 0xb1;
const DIGEST_AT = 1;
const FILEID_AT = 8;
const CHECK_AT = 12;
const HANDLE_BYTES = 16;

/** Makes and reads the handles of one image. */
export class ImageHandles {
  readonly #template: Uint8Array;
  readonly #salt: number;
  readonly #inodeCount: number;

  constructor({ digest, inodeCount }: Pick<Image, 'digest' | 'inodeCount'>) {
    this.#template = new Uint8Array(HANDLE_BYTES);
    this.#template[0] = FORMAT;
    this.#template.set(digest.subarray(0, FILEID_AT - DIGEST_AT), DIGEST_AT);
    this.#salt = digest.readUInt32BE(FILEID_AT);
    this.#inodeCount = inodeCount;
  }

  of(fileid: number): Filehandle {
    const handle = this.#template.slice();
    writeUint32(handle, FILEID_AT, fileid);
    writeUint32(handle, CHECK_AT, mixed(fileid ^ this.#salt));
    return handle;
  }

  /** A status instead: STALE for a handle of another image, BADHANDLE for anything else. */
  identify(handle: Filehandle): { readonly fileid: number } | Nfsstat3Error {
    if (handle.length !== HANDLE_BYTES || handle[0] !== FORMAT) return Nfsstat3.BADHANDLE;
    for (let at = DIGEST_AT; at < FILEID_AT; at += 1) {
      if (handle[at] !== this.#template[at]) return Nfsstat3.STALE;
    }
    const fileid = readUint32(handle, FILEID_AT);
    if (readUint32(handle, CHECK_AT) !== mixed(fileid ^ this.#salt)) return Nfsstat3.BADHANDLE;
    return fileid >= 1 && fileid <= this.#inodeCount ? { fileid } : Nfsstat3.BADHANDLE;
  }
}

/** Spreads every bit over all 32; one to one, as each of its steps can be undone. */
function mixed(value: number): number {
  let x = value ^ (value >>> 16);
  x = Math.imul(x, 0x85ebca6b);
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

function readUint32(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
