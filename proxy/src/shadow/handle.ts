import { type Filehandle, NFS3_FHSIZE, Nfsstat3, type Nfsstat3Error } from '@rowfs/nfs3';
import { ShadowError } from './shadow-error.ts';

/**
 * Virtual handles, which clients keep over restarts of the proxy:
 *
 *     byte 0      format, 0xA1
 *     bytes 1-8   id of the shadow, so that a handle of another shadow is told from a broken one
 *     byte 9      1: an object of the lower, its handle there follows (at most 54 bytes)
 *                 2: an object born in the shadow, its node id follows (6 bytes, big-endian)
 *
 * An object of the lower has the same handle before and after it is changed, and no table is needed
 * to hand one out: merely reading an image stores nothing.
 */
const FORMAT = 0xa1;
const LOWER = 1;
const BORN_HERE = 2;
const HEADER_BYTES = 10;
const ID_BYTES = 6;

export const SHADOW_ID_BYTES = 8;

/** What a handle says: the lower's handle, or the id of a node born in the shadow. */
export type Identity = { readonly lower: Filehandle } | { readonly id: number };

export class HandleCodec {
  readonly #shadowId: Buffer;

  constructor(shadowId: Buffer) {
    this.#shadowId = shadowId;
  }

  /** @throws ShadowError LOWER_HANDLE_TOO_LONG */
  ofLower(lower: Filehandle): Filehandle {
    if (lower.length > NFS3_FHSIZE - HEADER_BYTES) {
      throw new ShadowError(
        'LOWER_HANDLE_TOO_LONG',
        `the image server's file handles have ${lower.length} bytes; redirect-on-write embeds at ` +
          `most ${NFS3_FHSIZE - HEADER_BYTES}: put the failover layer, which makes short ones, below it`,
      );
    }
    const handle = this.#begin(HEADER_BYTES + lower.length, LOWER);
    handle.set(lower, HEADER_BYTES);
    return handle;
  }

  ofNode(id: number): Filehandle {
    const handle = this.#begin(HEADER_BYTES + ID_BYTES, BORN_HERE);
    handle.writeUIntBE(id, HEADER_BYTES, ID_BYTES);
    return handle;
  }

  /** A status instead: STALE for a handle of another shadow, BADHANDLE for anything else. */
  identify(handle: Filehandle): Identity | Nfsstat3Error {
    if (handle.length <= HEADER_BYTES || handle[0] !== FORMAT) return Nfsstat3.BADHANDLE;
    for (let i = 0; i < SHADOW_ID_BYTES; i += 1) {
      if (handle[1 + i] !== this.#shadowId[i]) return Nfsstat3.STALE;
    }
    if (handle[9] === LOWER) return { lower: restOf(handle) };
    if (handle[9] === BORN_HERE && handle.length === HEADER_BYTES + ID_BYTES) {
      return { id: Buffer.from(handle).readUIntBE(HEADER_BYTES, ID_BYTES) };
    }
    return Nfsstat3.BADHANDLE;
  }

  #begin(length: number, kind: number): Buffer {
    const handle = Buffer.alloc(length);
    handle[0] = FORMAT;
    handle.set(this.#shadowId, 1);
    handle[9] = kind;
    return handle;
  }
}

/** What follows the header. A copy: a view would give the handle memory of its own, outside of the heap. */
function restOf(handle: Filehandle): Filehandle {
  const rest = new Uint8Array(handle.length - HEADER_BYTES);
  for (let i = 0; i < rest.length; i += 1) rest[i] = handle[HEADER_BYTES + i] ?? 0;
  return rest;
}
