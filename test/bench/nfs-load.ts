/**
 * One measurement, in a process of its own so that client and server do not share a thread: keeps
 * `inFlight` calls of one kind under way for `seconds`, and prints what was done per second.
 * Takes one JSON argument (LoadTask), prints one JSON line (LoadResult).
 */
import {
  connectNfs3,
  listDirectory,
  type Nfs3Context,
  Nfsstat3,
  type ProcedureCodec,
  procedures,
  walk,
} from '@rowfs/nfs3';
import { RpcClient } from '@rowfs/oncrpc';

export interface LoadTask {
  readonly host: string;
  readonly port: number;
  readonly mountPort: number;
  readonly path: string;
  readonly kind: 'getattr' | 'lookup' | 'access' | 'readdirplus' | 'read';
  /** Bytes of one READ. */
  readonly readBytes: number;
  readonly inFlight: number;
  readonly seconds: number;
}

/** Per second: a READDIRPLUS is worth its entries, since servers choose how many one reply has. */
export interface LoadResult {
  readonly calls: number;
  readonly bytes: number;
  readonly entries: number;
}

/** The names in the tree that is measured on, made by the case. */
export const SMALL_FILES = 'small';
export const LARGE_FILE = 'large';
export const LARGE_FILE_BYTES = 64 * 1024 * 1024;

const ACCESS_ALL = 0x3f;
const NFS3_PROGRAM = { program: 100_003, version: 3 };

async function measure(task: LoadTask): Promise<LoadResult> {
  const service = connectNfs3(task);
  const ctx: Nfs3Context = {
    credential: { flavor: 'sys', stamp: 0, machinename: 'bench', uid: 0, gid: 0, gids: [] },
    signal: new AbortController().signal,
    peer: { address: task.host, port: task.port },
  };
  const mounted = await service.mount(task.path, ctx);
  if (mounted.status !== 0) throw new Error(`MNT answers ${mounted.status}`);
  const handleOf = async (name: string): Promise<Uint8Array> => {
    const found = await walk(service, mounted.handle, [name], ctx);
    if (found.status !== Nfsstat3.OK) throw new Error(`LOOKUP ${name} answers ${found.status}`);
    return found.object;
  };
  // Only the status of a reply is decoded: the server is measured, and not this client.
  const rpc = new RpcClient({ connect: task, ...NFS3_PROGRAM, credential: ctx.credential });
  async function statusOf<Args, Res>(
    codec: ProcedureCodec<Args, Res>,
    args: Args,
  ): Promise<number> {
    const reply = await rpc.call(codec.number, (writer) => codec.writeArgs(writer, args));
    return reply.uint32();
  }
  const dir = await handleOf(SMALL_FILES);
  const large = await handleOf(LARGE_FILE);
  const files: { name: string; handle: Uint8Array }[] = [];
  for await (const { name } of listDirectory(service, dir, ctx)) {
    const found = await service.lookup({ what: { dir, name } }, ctx);
    if (found.status === Nfsstat3.OK) files.push({ name, handle: found.object });
  }

  const page = { dir, cookie: 0n, cookieverf: 0n, dircount: 8192, maxcount: 32_768 };
  const first = await service.readdirplus(page, ctx);
  if (first.status !== Nfsstat3.OK) throw new Error(`READDIRPLUS answers ${first.status}`);

  let turn = 0;
  let bytes = 0;
  let entries = 0;
  const call = (): Promise<number> => {
    turn += 1;
    const file = files[turn % files.length];
    if (file === undefined) throw new Error('the tree has no files');
    switch (task.kind) {
      case 'getattr':
        return statusOf(procedures.getattr, { object: file.handle });
      case 'lookup':
        return statusOf(procedures.lookup, { what: { dir, name: file.name } });
      case 'access':
        return statusOf(procedures.access, { object: file.handle, access: ACCESS_ALL });
      case 'readdirplus':
        entries += first.entries.length;
        return statusOf(procedures.readdirplus, page);
      case 'read': {
        bytes += task.readBytes;
        const offset = (turn * task.readBytes) % LARGE_FILE_BYTES;
        return statusOf(procedures.read, { file: large, offset, count: task.readBytes });
      }
    }
  };

  const runFor = async (seconds: number): Promise<LoadResult> => {
    const end = performance.now() + seconds * 1000;
    const begin = performance.now();
    let calls = 0;
    bytes = 0;
    entries = 0;
    const worker = async (): Promise<void> => {
      while (performance.now() < end) {
        const status = await call();
        if (status !== Nfsstat3.OK) throw new Error(`${task.kind} answers ${status}`);
        calls += 1;
      }
    };
    await Promise.all(Array.from({ length: task.inFlight }, worker));
    const elapsed = (performance.now() - begin) / 1000;
    return { calls: calls / elapsed, bytes: bytes / elapsed, entries: entries / elapsed };
  };

  // As long as what is measured: both sides are to be warm, their compilers too.
  await runFor(task.seconds);
  const result = await runFor(task.seconds);
  await rpc.close();
  await service.close();
  return result;
}

if (import.meta.main) {
  const result = await measure(JSON.parse(process.argv[2] ?? '') as LoadTask);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
