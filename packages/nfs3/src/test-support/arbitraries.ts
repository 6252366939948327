import fc, { type Arbitrary } from 'fast-check';
import type { ArgsOf, ResultOf } from '../every-procedure.ts';
import type { MountEntry } from '../mount/dump.ts';
import type { ExportEntry } from '../mount/export.ts';
import type { MountResult } from '../mount/mnt.ts';
import type { Createhow3 } from '../procedures/create.ts';
import type { Mknoddata3 } from '../procedures/mknod.ts';
import { MAX_TRANSFER_BYTES } from '../procedures/procedure.ts';
import type { ProcedureName } from '../procedures/table.ts';
import { Mountstat3, Nfsstat3, type Nfsstat3Error } from '../status.ts';
import {
  type Diropargs3,
  type Fattr3,
  type Filehandle,
  Ftype3,
  type Nfstime3,
  type PostOpAttr,
  type Sattr3,
  type Specdata3,
  StableHow,
  type WccAttr,
  type WccData,
} from '../types.ts';

const uint32 = fc.nat({ max: 0xffff_ffff });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const uint53 = fc.maxSafeNat();
/** Records as a codec makes them: ordinary objects. */
const record = <T>(model: { [K in keyof T]: Arbitrary<T[K]> }): Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true });
const maybe = <T>(value: Arbitrary<T>): Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined });
/** Any bytes, one character each. */
const latin1 = (maxLength: number): Arbitrary<string> =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes).toString('latin1'));

export const name = latin1(300);
export const handle: Arbitrary<Filehandle> = fc.uint8Array({ maxLength: 64 });
const diropargs: Arbitrary<Diropargs3> = record({ dir: handle, name });
const time: Arbitrary<Nfstime3> = record({ seconds: uint32, nseconds: uint32 });
const spec: Arbitrary<Specdata3> = record({ specdata1: uint32, specdata2: uint32 });
/** A size of a transfer that nobody has to cut down. */
const transferSize = fc.nat({ max: MAX_TRANSFER_BYTES });
const MAX_PAYLOAD_BYTES = 5000;
/** Payloads on both sides of the size up to which they are copied. */
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 64 }),
  fc.uint8Array({ maxLength: MAX_PAYLOAD_BYTES }),
);

const fattr: Arbitrary<Fattr3> = record({
  type: fc.constantFrom(...Object.values(Ftype3)),
  mode: uint32,
  nlink: uint32,
  uid: uint32,
  gid: uint32,
  size: uint53,
  used: uint53,
  rdev: spec,
  fsid: uint64,
  fileid: uint64,
  atime: time,
  mtime: time,
  ctime: time,
});
const postOpAttr: Arbitrary<PostOpAttr> = maybe(fattr);
const wccAttr: Arbitrary<WccAttr> = record({ size: uint53, mtime: time, ctime: time });
const wcc: Arbitrary<WccData> = record({ before: maybe(wccAttr), after: postOpAttr });
const setTime = fc.oneof(
  fc.constant('dont-change' as const),
  fc.constant('server-time' as const),
  time,
);
const sattr: Arbitrary<Sattr3> = record({
  mode: maybe(uint32),
  uid: maybe(uint32),
  gid: maybe(uint32),
  size: maybe(uint53),
  atime: setTime,
  mtime: setTime,
});
const createhow: Arbitrary<Createhow3> = fc.oneof(
  record({
    mode: fc.constantFrom('unchecked' as const, 'guarded' as const),
    objAttributes: sattr,
  }),
  record({ mode: fc.constant('exclusive' as const), verf: uint64 }),
);
const mknoddata: Arbitrary<Mknoddata3> = fc.oneof(
  record({ type: fc.constantFrom(Ftype3.CHR, Ftype3.BLK), attributes: sattr, spec }),
  record({ type: fc.constantFrom(Ftype3.SOCK, Ftype3.FIFO), attributes: sattr }),
  record({ type: fc.constantFrom(Ftype3.REG, Ftype3.DIR, Ftype3.LNK) }),
);

const stableHow = fc.constantFrom(...Object.values(StableHow));

/** The arguments of every procedure, each kind of them. */
export const argsOf: { readonly [P in ProcedureName]: Arbitrary<ArgsOf<P>> } = {
  getattr: record({ object: handle }),
  setattr: record({ object: handle, newAttributes: sattr, guard: maybe(time) }),
  lookup: record({ what: diropargs }),
  access: record({ object: handle, access: uint32 }),
  readlink: record({ symlink: handle }),
  // Enough for every payload below: a server must not answer with more than was asked for.
  read: record({
    file: handle,
    offset: uint53,
    count: fc.integer({ min: MAX_PAYLOAD_BYTES, max: MAX_TRANSFER_BYTES }),
  }),
  write: fc
    .record({ file: handle, offset: uint53, stable: stableHow, data: payload })
    .map(({ data, ...args }) => ({ ...args, count: data.length, data: partsOf(data) })),
  create: record({ where: diropargs, how: createhow }),
  mkdir: record({ where: diropargs, attributes: sattr }),
  symlink: record({ where: diropargs, symlinkAttributes: sattr, symlinkData: latin1(4096) }),
  mknod: record({ where: diropargs, what: mknoddata }),
  remove: record({ object: diropargs }),
  rmdir: record({ object: diropargs }),
  rename: record({ from: diropargs, to: diropargs }),
  link: record({ file: handle, link: diropargs }),
  readdir: record({ dir: handle, cookie: uint64, cookieverf: uint64, count: uint32 }),
  readdirplus: record({
    dir: handle,
    cookie: uint64,
    cookieverf: uint64,
    dircount: uint32,
    maxcount: uint32,
  }),
  fsstat: record({ fsroot: handle }),
  fsinfo: record({ fsroot: handle }),
  pathconf: record({ object: handle }),
  commit: record({ file: handle, offset: uint53, count: uint32 }),
};

const OK = fc.constant(Nfsstat3.OK);
const failed: Arbitrary<Nfsstat3Error> = fc
  .constantFrom(...Object.values(Nfsstat3))
  .filter((status): status is Nfsstat3Error => status !== Nfsstat3.OK);

const entry = { fileid: uint64, name, cookie: uint64 };
const entryPlus = { ...entry, nameAttributes: postOpAttr, nameHandle: maybe(handle) };
const directory = { dirAttributes: postOpAttr, cookieverf: uint64, eof: fc.boolean() };
const newObject: Arbitrary<ResultOf<'create'>> = fc.oneof(
  record({ status: OK, obj: maybe(handle), objAttributes: postOpAttr, dirWcc: wcc }),
  record({ status: failed, dirWcc: wcc }),
);
const failedWithDirectory = record({ status: failed, dirAttributes: postOpAttr });
const failedWithObject = record({ status: failed, objAttributes: postOpAttr });
const failedWithFile = record({ status: failed, fileAttributes: postOpAttr });
/** For procedures that answer the same with every status. */
const withAnyStatus = <T>(body: {
  [K in keyof T]: Arbitrary<T[K]>;
}): Arbitrary<({ status: typeof Nfsstat3.OK } | { status: Nfsstat3Error }) & T> =>
  fc
    .tuple(fc.oneof(record({ status: OK }), record({ status: failed })), record<T>(body))
    .map(([status, rest]) => ({ ...status, ...rest }));

/** The results of every procedure, with every status. */
export const resultOf: { readonly [P in ProcedureName]: Arbitrary<ResultOf<P>> } = {
  getattr: fc.oneof(record({ status: OK, attributes: fattr }), record({ status: failed })),
  setattr: withAnyStatus({ objWcc: wcc }),
  lookup: fc.oneof(
    record({ status: OK, object: handle, objAttributes: postOpAttr, dirAttributes: postOpAttr }),
    failedWithDirectory,
  ),
  access: fc.oneof(
    record({ status: OK, objAttributes: postOpAttr, access: uint32 }),
    failedWithObject,
  ),
  readlink: fc.oneof(
    record({ status: OK, symlinkAttributes: postOpAttr, data: latin1(4096) }),
    record({ status: failed, symlinkAttributes: postOpAttr }),
  ),
  read: fc.oneof(
    fc
      .record({ status: OK, fileAttributes: postOpAttr, eof: fc.boolean(), data: payload })
      .map(({ data, ...result }) => ({ ...result, count: data.length, data: partsOf(data) })),
    failedWithFile,
  ),
  write: fc.oneof(
    record({ status: OK, fileWcc: wcc, count: uint32, committed: stableHow, verf: uint64 }),
    record({ status: failed, fileWcc: wcc }),
  ),
  create: newObject,
  mkdir: newObject,
  symlink: newObject,
  mknod: newObject,
  remove: withAnyStatus({ dirWcc: wcc }),
  rmdir: withAnyStatus({ dirWcc: wcc }),
  rename: withAnyStatus({ fromdirWcc: wcc, todirWcc: wcc }),
  link: withAnyStatus({ fileAttributes: postOpAttr, linkdirWcc: wcc }),
  readdir: fc.oneof(
    record({ status: OK, ...directory, entries: fc.array(record(entry)) }),
    failedWithDirectory,
  ),
  readdirplus: fc.oneof(
    record({ status: OK, ...directory, entries: fc.array(record(entryPlus)) }),
    failedWithDirectory,
  ),
  fsstat: fc.oneof(
    record({
      status: OK,
      objAttributes: postOpAttr,
      tbytes: uint64,
      fbytes: uint64,
      abytes: uint64,
      tfiles: uint64,
      ffiles: uint64,
      afiles: uint64,
      invarsec: uint32,
    }),
    failedWithObject,
  ),
  fsinfo: fc.oneof(
    record({
      status: OK,
      objAttributes: postOpAttr,
      rtmax: transferSize,
      rtpref: transferSize,
      rtmult: uint32,
      wtmax: transferSize,
      wtpref: transferSize,
      wtmult: uint32,
      dtpref: uint32,
      maxfilesize: uint64,
      timeDelta: time,
      properties: uint32,
    }),
    failedWithObject,
  ),
  pathconf: fc.oneof(
    record({
      status: OK,
      objAttributes: postOpAttr,
      linkmax: uint32,
      nameMax: uint32,
      noTrunc: fc.boolean(),
      chownRestricted: fc.boolean(),
      caseInsensitive: fc.boolean(),
      casePreserving: fc.boolean(),
    }),
    failedWithObject,
  ),
  commit: fc.oneof(
    record({ status: OK, fileWcc: wcc, verf: uint64 }),
    record({ status: failed, fileWcc: wcc }),
  ),
};

export const dirpath = latin1(1024);
const hostname = latin1(255);

export const mountResult: Arbitrary<MountResult> = fc.oneof(
  record({
    status: fc.constant(Mountstat3.OK),
    handle,
    authFlavors: fc.array(uint32, { maxLength: 8 }),
  }),
  record({
    status: fc
      .constantFrom(...Object.values(Mountstat3))
      .filter((status) => status !== Mountstat3.OK),
  }),
);
export const mountEntry: Arbitrary<MountEntry> = record({ hostname, directory: dirpath });
export const exportEntry: Arbitrary<ExportEntry> = record({
  directory: dirpath,
  groups: fc.array(hostname, { maxLength: 5 }),
});

/** A payload in two parts, as a network may deliver it; none when it is empty. */
function partsOf(bytes: Uint8Array): Uint8Array[] {
  const middle = bytes.length >> 1;
  return [bytes.subarray(0, middle), bytes.subarray(middle)].filter((part) => part.length > 0);
}
