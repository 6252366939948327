/**
 * One measurement of a server by a client that costs as little as it can, in a process of its own: calls
 * are encoded beforehand, and of a reply nothing is looked at but its status. On two cores a client
 * that decoded would be what is measured. Keeps `inFlight` calls of one kind under way for `seconds`, and
 * prints what was done per second. Takes one JSON argument (LoadTask), prints one JSON line (LoadResult).
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  connectNfs3,
  type Filehandle,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  type ProcedureCodec,
  procedures,
  walk,
} from '@rowfs/nfs3';
import { XdrWriter } from '@rowfs/xdr';
import {
  LARGE_FILE,
  LARGE_FILE_BYTES,
  type LoadResult,
  type LoadTask,
  SMALL_FILES,
} from './nfs-load.ts';

const MARK_BYTES = 4;
const XID_AT = MARK_BYTES;
const LAST_FRAGMENT = 0x8000_0000;
/** The mark, xid, REPLY, MSG_ACCEPTED, an empty verifier, SUCCESS, and the status of NFS. */
const REPLY_HEAD_BYTES = 32;
const RECEIVE_BYTES = 1024 * 1024;
const ACCESS_ALL = 0x3f;

/** A call as a record, to be sent again and again with another xid. */
function encode<Args, Res>(codec: ProcedureCodec<Args, Res>, args: Args): Buffer {
  const writer = new XdrWriter(Buffer.alloc(64 * 1024));
  writer.uint32(0);
  writer.uint32(0);
  // CALL, RPC version 2, NFS version 3.
  for (const word of [0, 2, 100_003, 3, codec.number]) writer.uint32(word);
  // AUTH_SYS of root without other groups, and no verifier.
  for (const word of [1, 24, 0, 4]) writer.uint32(word);
  writer.fixedOpaque(Buffer.from('warm'));
  for (const word of [0, 0, 0, 0, 0]) writer.uint32(word);
  codec.writeArgs(writer, args);
  const record = Buffer.concat(writer.finish());
  record.writeUInt32BE((LAST_FRAGMENT | (record.length - MARK_BYTES)) >>> 0);
  return record;
}

/** Keeps calls under way on one connection, and counts replies. */
class Load {
  readonly #socket: Socket;
  readonly #calls: readonly Buffer[];
  readonly #head = Buffer.alloc(REPLY_HEAD_BYTES);
  #headBytes = 0;
  #left = 0;
  #xid = 0;
  replies = 0;

  constructor(socket: Socket, calls: readonly Buffer[]) {
    this.#socket = socket;
    this.#calls = calls;
  }

  begin(inFlight: number): void {
    this.#send(inFlight);
  }

  /** Takes received bytes, and sends a call for each reply that they end. */
  receive(bytes: Uint8Array): void {
    const before = this.replies;
    for (let at = 0; at < bytes.length;) {
      if (this.#headBytes < REPLY_HEAD_BYTES) {
        const part = bytes.subarray(at, at + REPLY_HEAD_BYTES - this.#headBytes);
        this.#head.set(part, this.#headBytes);
        this.#headBytes += part.length;
        at += part.length;
        if (this.#headBytes < REPLY_HEAD_BYTES) break;
        this.#left = (this.#head.readUInt32BE(0) & ~LAST_FRAGMENT) + MARK_BYTES - REPLY_HEAD_BYTES;
        if (this.#head.readUInt32BE(12) !== 0 || this.#head.readUInt32BE(24) !== 0)
          throw new Error('a call was not accepted');
        const status = this.#head.readUInt32BE(28);
        if (status !== Nfsstat3.OK) throw new Error(`a call is answered ${status}`);
      }
      const skipped = Math.min(this.#left, bytes.length - at);
      this.#left -= skipped;
      at += skipped;
      if (this.#left > 0) break;
      this.#headBytes = 0;
      this.replies += 1;
    }
    this.#send(this.replies - before);
  }

  #send(count: number): void {
    const records: Buffer[] = [];
    for (let i = 0; i < count; i += 1) {
      const call = this.#calls[this.#xid % this.#calls.length];
      if (call === undefined) throw new Error('nothing to call');
      this.#xid += 1;
      call.writeUInt32BE(this.#xid, XID_AT);
      records.push(call);
    }
    // Copied together at once: the next turn writes other xids.
    if (count > 0) this.#socket.write(Buffer.concat(records));
  }
}

async function callsOf(task: LoadTask, service: Nfs3Service, ctx: Nfs3Context): Promise<Prepared> {
  const mounted = await service.mount(task.path, ctx);
  if (mounted.status !== 0) throw new Error(`MNT answers ${mounted.status}`);
  const handleOf = async (path: string): Promise<Filehandle> => {
    const found = await walk(service, mounted.handle, path.split('/'), ctx);
    if (found.status !== Nfsstat3.OK) throw new Error(`LOOKUP ${path} answers ${found.status}`);
    return found.object;
  };
  const dir = await handleOf(SMALL_FILES);
  const page = { dir, cookie: 0n, cookieverf: 0n, dircount: 8192, maxcount: 32_768 };
  const first = await service.readdirplus(page, ctx);
  if (first.status !== Nfsstat3.OK) throw new Error(`READDIRPLUS answers ${first.status}`);
  const names = first.entries.map(({ name }) => name).filter((name) => !name.startsWith('.'));
  const files = await Promise.all(names.map((name) => handleOf(`${SMALL_FILES}/${name}`)));
  const one = (calls: readonly Buffer[]): Prepared => ({ calls, bytesEach: 0, entriesEach: 0 });
  switch (task.kind) {
    case 'getattr':
      return one(files.map((object) => encode(procedures.getattr, { object })));
    case 'lookup':
      return one(names.map((name) => encode(procedures.lookup, { what: { dir, name } })));
    case 'access':
      return one(files.map((object) => encode(procedures.access, { object, access: ACCESS_ALL })));
    case 'readdirplus':
      return { ...one([encode(procedures.readdirplus, page)]), entriesEach: first.entries.length };
    case 'read': {
      const file = await handleOf(LARGE_FILE);
      const count = task.readBytes;
      await readOnce(service, file, ctx);
      const offsets = Array.from({ length: LARGE_FILE_BYTES / count }, (_, i) => i * count);
      const calls = offsets.map((offset) => encode(procedures.read, { file, offset, count }));
      return { ...one(calls), bytesEach: count };
    }
  }
}

/** Whatever caches there are have the file then. */
async function readOnce(service: Nfs3Service, file: Filehandle, ctx: Nfs3Context): Promise<void> {
  for (let offset = 0; offset < LARGE_FILE_BYTES;) {
    const result = await service.read({ file, offset, count: RECEIVE_BYTES }, ctx);
    if (result.status !== Nfsstat3.OK) throw new Error(`READ answers ${result.status}`);
    offset += result.count;
  }
}

interface Prepared {
  readonly calls: readonly Buffer[];
  readonly bytesEach: number;
  readonly entriesEach: number;
}

async function measure(task: LoadTask): Promise<LoadResult> {
  const { host, port } = task;
  const service = connectNfs3(task);
  const ctx: Nfs3Context = {
    credential: { flavor: 'sys', stamp: 0, machinename: 'bench', uid: 0, gid: 0, gids: [] },
    signal: new AbortController().signal,
    peer: { address: host, port },
  };
  const { calls, bytesEach, entriesEach } = await callsOf(task, service, ctx);
  await service.close();
  const buffer = Buffer.alloc(RECEIVE_BYTES);
  const failed = new AbortController();
  const received = (length: number): boolean => {
    try {
      load.receive(buffer.subarray(0, length));
    } catch (error) {
      failed.abort(error);
    }
    return true;
  };
  const socket = connect({ host, port, noDelay: true, onread: { buffer, callback: received } });
  const load = new Load(socket, calls);
  await once(socket, 'connect');
  load.begin(task.inFlight);
  const runFor = async (seconds: number): Promise<number> => {
    const [before, begin] = [load.replies, performance.now()];
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    failed.signal.throwIfAborted();
    return (load.replies - before) / ((performance.now() - begin) / 1000);
  };
  // As long as what is measured: both sides are to be warm, their compilers too.
  await runFor(task.seconds);
  const perSecond = await runFor(task.seconds);
  socket.destroy();
  return { calls: perSecond, bytes: perSecond * bytesEach, entries: perSecond * entriesEach };
}

const result = await measure(JSON.parse(process.argv[2] ?? '') as LoadTask);
process.stdout.write(`${JSON.stringify(result)}\n`);
