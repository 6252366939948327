/** nfs_fh3: opaque to everybody but the service that made it; at most 64 bytes. */
export type Filehandle = Uint8Array;
/** filename3: one character per byte (latin1), so that names that are not UTF-8 survive. */
export type Filename = string;
/** nfspath3: the bytes of a symbolic link, one character per byte. */
export type Nfspath = string;
/** cookieverf3, createverf3, writeverf3: 8 opaque bytes, as a big-endian integer so that `===` works. */
export type Verf3 = bigint;

/** Limits of RFC 1813 section 2.4 and of the names that Linux takes, in bytes. */
export const NFS3_FHSIZE = 64;
export const NAME_MAX = 255;
export const PATH_MAX = 4096;

/** ftype3, RFC 1813 section 2.5. */
export const Ftype3 = { REG: 1, DIR: 2, BLK: 3, CHR: 4, LNK: 5, SOCK: 6, FIFO: 7 } as const;
export type Ftype3 = (typeof Ftype3)[keyof typeof Ftype3];

/** nfstime3: seconds since 1970 and nanoseconds. */
export interface Nfstime3 {
  readonly seconds: number;
  readonly nseconds: number;
}

/** specdata3: major and minor number of a device. */
export interface Specdata3 {
  readonly specdata1: number;
  readonly specdata2: number;
}

/** fattr3, RFC 1813 section 2.5: size and used in bytes. */
export interface Fattr3 {
  readonly type: Ftype3;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly used: number;
  readonly rdev: Specdata3;
  readonly fsid: bigint;
  readonly fileid: bigint;
  readonly atime: Nfstime3;
  readonly mtime: Nfstime3;
  readonly ctime: Nfstime3;
}

/** post_op_attr: absent when the server could not, or did not care to, get them. */
export type PostOpAttr = Fattr3 | undefined;

/** wcc_attr: what a client needs to see that nobody else changed the object. */
export interface WccAttr {
  readonly size: number;
  readonly mtime: Nfstime3;
  readonly ctime: Nfstime3;
}

/** wcc_data: the object before and after; `before` is real or undefined, never a guess. */
export interface WccData {
  readonly before: WccAttr | undefined;
  readonly after: PostOpAttr;
}

/** set_atime and set_mtime: untouched, the server's clock, or a time of the client's. */
export type SetTime = 'dont-change' | 'server-time' | Nfstime3;

/** sattr3: what is undefined is left as it is. */
export interface Sattr3 {
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly size: number | undefined;
  readonly atime: SetTime;
  readonly mtime: SetTime;
}

/** A sattr3 that changes nothing. */
export const UNCHANGED: Sattr3 = {
  mode: undefined,
  uid: undefined,
  gid: undefined,
  size: undefined,
  atime: 'dont-change',
  mtime: 'dont-change',
};

/** diropargs3: a name in a directory. */
export interface Diropargs3 {
  readonly dir: Filehandle;
  readonly name: Filename;
}

/** ACCESS bits, RFC 1813 section 3.3.4. */
export const Access3 = {
  READ: 0x01,
  LOOKUP: 0x02,
  MODIFY: 0x04,
  EXTEND: 0x08,
  DELETE: 0x10,
  EXECUTE: 0x20,
} as const;

/** stable_how, RFC 1813 section 3.3.7. */
export const StableHow = { UNSTABLE: 0, DATA_SYNC: 1, FILE_SYNC: 2 } as const;
export type StableHow = (typeof StableHow)[keyof typeof StableHow];

/** FSINFO properties, RFC 1813 section 3.3.19. */
export const FsinfoProperties = {
  LINK: 0x01,
  SYMLINK: 0x02,
  HOMOGENEOUS: 0x08,
  CANSETTIME: 0x10,
} as const;
