import { XdrError, type XdrReader, type XdrWriter } from '@rowfs/xdr';
import { Nfsstat3, type Nfsstat3Error } from './status.ts';
import {
  type Diropargs3,
  type Fattr3,
  type Filehandle,
  type Filename,
  Ftype3,
  NFS3_FHSIZE,
  type Nfspath,
  type Nfstime3,
  PATH_MAX,
  type PostOpAttr,
  type Sattr3,
  type SetTime,
  type Specdata3,
  type WccAttr,
  type WccData,
} from './types.ts';

/**
 * How long a name may be on the wire. Longer than any file system takes, so that the service can
 * answer NFS3ERR_NAMETOOLONG instead of the RPC layer answering GARBAGE_ARGS.
 */
const WIRE_NAME_MAX = 4096;

const statuses = new Set(Object.values(Nfsstat3));
const fileTypes = new Set(Object.values(Ftype3));

/** Reads a value of an XDR enum (RFC 4506 section 4.3); one that the RFC does not list is refused. */
export function readEnum<T extends number>(reader: XdrReader, values: ReadonlySet<T>): T {
  const value = reader.uint32();
  if (!values.has(value as T))
    throw new XdrError('BAD_VALUE', `${value} is not in the enumeration`);
  return value as T;
}

export function readFilehandle(reader: XdrReader): Filehandle {
  return reader.opaque(NFS3_FHSIZE);
}

export function writeFilehandle(writer: XdrWriter, handle: Filehandle): void {
  writer.opaque(handle);
}

export function readFilename(reader: XdrReader): Filename {
  return reader.string(WIRE_NAME_MAX);
}

export function readNfspath(reader: XdrReader): Nfspath {
  return reader.string(PATH_MAX);
}

export function readDiropargs3(reader: XdrReader): Diropargs3 {
  return { dir: readFilehandle(reader), name: readFilename(reader) };
}

export function writeDiropargs3(writer: XdrWriter, { dir, name }: Diropargs3): void {
  writeFilehandle(writer, dir);
  writer.string(name);
}

export function readNfstime3(reader: XdrReader): Nfstime3 {
  return { seconds: reader.uint32(), nseconds: reader.uint32() };
}

export function writeNfstime3(writer: XdrWriter, time: Nfstime3): void {
  writer.uint32(time.seconds);
  writer.uint32(time.nseconds);
}

export function readSpecdata3(reader: XdrReader): Specdata3 {
  return { specdata1: reader.uint32(), specdata2: reader.uint32() };
}

export function writeSpecdata3(writer: XdrWriter, spec: Specdata3): void {
  writer.uint32(spec.specdata1);
  writer.uint32(spec.specdata2);
}

export function readFtype3(reader: XdrReader): Ftype3 {
  return readEnum(reader, fileTypes);
}

export function readFattr3(reader: XdrReader): Fattr3 {
  return {
    type: readFtype3(reader),
    mode: reader.uint32(),
    nlink: reader.uint32(),
    uid: reader.uint32(),
    gid: reader.uint32(),
    size: reader.uint53(),
    used: reader.uint53(),
    rdev: readSpecdata3(reader),
    fsid: reader.uint64(),
    fileid: reader.uint64(),
    atime: readNfstime3(reader),
    mtime: readNfstime3(reader),
    ctime: readNfstime3(reader),
  };
}

export function writeFattr3(writer: XdrWriter, attributes: Fattr3): void {
  writer.uint32(attributes.type);
  writer.uint32(attributes.mode);
  writer.uint32(attributes.nlink);
  writer.uint32(attributes.uid);
  writer.uint32(attributes.gid);
  writer.uint53(attributes.size);
  writer.uint53(attributes.used);
  writeSpecdata3(writer, attributes.rdev);
  writer.uint64(attributes.fsid);
  writer.uint64(attributes.fileid);
  writeNfstime3(writer, attributes.atime);
  writeNfstime3(writer, attributes.mtime);
  writeNfstime3(writer, attributes.ctime);
}

export function readPostOpAttr(reader: XdrReader): PostOpAttr {
  return reader.optional(readFattr3);
}

export function writePostOpAttr(writer: XdrWriter, attributes: PostOpAttr): void {
  writer.optional(attributes, writeFattr3);
}

export function readPostOpFh(reader: XdrReader): Filehandle | undefined {
  return reader.optional(readFilehandle);
}

export function writePostOpFh(writer: XdrWriter, handle: Filehandle | undefined): void {
  writer.optional(handle, writeFilehandle);
}

function readWccAttr(reader: XdrReader): WccAttr {
  return { size: reader.uint53(), mtime: readNfstime3(reader), ctime: readNfstime3(reader) };
}

function writeWccAttr(writer: XdrWriter, attributes: WccAttr): void {
  writer.uint53(attributes.size);
  writeNfstime3(writer, attributes.mtime);
  writeNfstime3(writer, attributes.ctime);
}

export function readWccData(reader: XdrReader): WccData {
  return { before: reader.optional(readWccAttr), after: readPostOpAttr(reader) };
}

export function writeWccData(writer: XdrWriter, wcc: WccData): void {
  writer.optional(wcc.before, writeWccAttr);
  writePostOpAttr(writer, wcc.after);
}

function readSetTime(reader: XdrReader): SetTime {
  const how = reader.uint32();
  switch (how) {
    case 0:
      return 'dont-change';
    case 1:
      return 'server-time';
    case 2:
      return readNfstime3(reader);
    default:
      throw new XdrError('BAD_VALUE', `${how} is no time_how`);
  }
}

function writeSetTime(writer: XdrWriter, time: SetTime): void {
  if (time === 'dont-change') writer.uint32(0);
  else if (time === 'server-time') writer.uint32(1);
  else {
    writer.uint32(2);
    writeNfstime3(writer, time);
  }
}

const readUint32 = (reader: XdrReader): number => reader.uint32();
const writeUint32 = (writer: XdrWriter, value: number): void => writer.uint32(value);

export function readSattr3(reader: XdrReader): Sattr3 {
  return {
    mode: reader.optional(readUint32),
    uid: reader.optional(readUint32),
    gid: reader.optional(readUint32),
    size: reader.optional((r) => r.uint53()),
    atime: readSetTime(reader),
    mtime: readSetTime(reader),
  };
}

export function writeSattr3(writer: XdrWriter, attributes: Sattr3): void {
  writer.optional(attributes.mode, writeUint32);
  writer.optional(attributes.uid, writeUint32);
  writer.optional(attributes.gid, writeUint32);
  writer.optional(attributes.size, (w, size) => w.uint53(size));
  writeSetTime(writer, attributes.atime);
  writeSetTime(writer, attributes.mtime);
}

/** Reads the status and then the arm of the union that belongs to it. */
export function readResult<Ok, Failed>(
  reader: XdrReader,
  ok: (reader: XdrReader) => Ok,
  failed: (reader: XdrReader) => Failed,
): ({ status: typeof Nfsstat3.OK } & Ok) | ({ status: Nfsstat3Error } & Failed) {
  const status = readEnum(reader, statuses);
  return status === Nfsstat3.OK ? { status, ...ok(reader) } : { status, ...failed(reader) };
}
