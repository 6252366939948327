/** nfsstat3, RFC 1813 section 2.6. */
export const Nfsstat3 = {
  OK: 0,
  PERM: 1,
  NOENT: 2,
  IO: 5,
  NXIO: 6,
  ACCES: 13,
  EXIST: 17,
  XDEV: 18,
  NODEV: 19,
  NOTDIR: 20,
  ISDIR: 21,
  INVAL: 22,
  FBIG: 27,
  NOSPC: 28,
  ROFS: 30,
  MLINK: 31,
  NAMETOOLONG: 63,
  NOTEMPTY: 66,
  DQUOT: 69,
  STALE: 70,
  REMOTE: 71,
  BADHANDLE: 10001,
  NOT_SYNC: 10002,
  BAD_COOKIE: 10003,
  NOTSUPP: 10004,
  TOOSMALL: 10005,
  SERVERFAULT: 10006,
  BADTYPE: 10007,
  JUKEBOX: 10008,
} as const;
export type Nfsstat3 = (typeof Nfsstat3)[keyof typeof Nfsstat3];
/** Every status but OK. */
export type Nfsstat3Error = Exclude<Nfsstat3, typeof Nfsstat3.OK>;

/** mountstat3, RFC 1813 appendix I section 5.1.5. */
export const Mountstat3 = {
  OK: 0,
  PERM: 1,
  NOENT: 2,
  IO: 5,
  ACCES: 13,
  NOTDIR: 20,
  INVAL: 22,
  NAMETOOLONG: 63,
  NOTSUPP: 10004,
  SERVERFAULT: 10006,
} as const;
export type Mountstat3 = (typeof Mountstat3)[keyof typeof Mountstat3];
export type Mountstat3Error = Exclude<Mountstat3, typeof Mountstat3.OK>;

const nfsNames = new Map<number, string>(
  Object.entries(Nfsstat3).map(([name, status]) => [status, `NFS3ERR_${name}`]),
);

/** The RFC's name of a status, for messages: `NFS3ERR_STALE`. */
export function nfsstat3Name(status: number): string {
  return status === Nfsstat3.OK ? 'NFS3_OK' : (nfsNames.get(status) ?? `NFS status ${status}`);
}
