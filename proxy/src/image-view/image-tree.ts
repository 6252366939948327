import type { Image } from '@rowfs/image';
import { type Fattr3, type Filehandle, type Nfsstat3Error, type Nfstime3 } from '@rowfs/nfs3';
import { ImageHandles } from './handle.ts';

const UINT32_MAX = 0xffff_ffff;

/** A file of the image, as a procedure needs it. */
export interface ImageObject {
  readonly fileid: number;
  readonly attributes: Fattr3;
}

/** An image in the terms of NFSv3: handles, attributes, statuses. Everything is answered at once. */
export class ImageTree {
  readonly image: Image;
  /** One file system, whatever the tree was made of; the image's own, wherever it is served. */
  readonly fsid: bigint;
  /** What cookies are good for: positions in this image. */
  readonly cookieverf: bigint;
  readonly #handles: ImageHandles;

  constructor(image: Image) {
    this.image = image;
    this.fsid = image.digest.readBigUInt64BE(0);
    this.cookieverf = image.digest.readBigUInt64BE(8);
    this.#handles = new ImageHandles(image);
  }

  handleOf(fileid: number): Filehandle {
    return this.#handles.of(fileid);
  }

  /** STALE or BADHANDLE when the handle leads nowhere. */
  identify(handle: Filehandle): { readonly fileid: number } | Nfsstat3Error {
    return this.#handles.identify(handle);
  }

  /** The same, with attributes. */
  find(handle: Filehandle): ImageObject | Nfsstat3Error {
    const found = this.identify(handle);
    if (typeof found === 'number') return found;
    return { fileid: found.fileid, attributes: this.attributes(found.fileid) };
  }

  /** atime and ctime differ between copies of a tree, and are no part of its image: both are mtime. */
  attributes(fileid: number, fsid = this.fsid): Fattr3 {
    const { type, mode, nlink, uid, gid, size, used, rdev, mtime } = this.image.attributes(fileid);
    const time = nfstime3(mtime);
    return {
      type,
      mode,
      nlink,
      uid,
      gid,
      size,
      used,
      rdev,
      fsid,
      fileid: BigInt(fileid),
      atime: time,
      mtime: time,
      ctime: time,
    };
  }

  /** What a directory has under a name, `.` and `..` too; undefined for a name that is not there. */
  child(directory: number, name: string): number | undefined {
    if (name === '.') return directory;
    return name === '..' ? this.image.parent(directory) : this.image.lookup(directory, name);
  }
}

/** nfstime3 has no time before 1970 and none after 2106: they become the nearest it has. */
function nfstime3({ seconds, nseconds }: Nfstime3): Nfstime3 {
  if (seconds < 0) return { seconds: 0, nseconds: 0 };
  return seconds > UINT32_MAX ? { seconds: UINT32_MAX, nseconds: 0 } : { seconds, nseconds };
}
