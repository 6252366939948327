/**
 * One measurement, in a process of its own so that client and server do not share a thread: keeps
 * `inFlight` calls of one kind under way for `seconds`, and prints what was done per second.
 * Takes one JSON argument (LoadTask), prints one JSON line (LoadResult).
 */
import { connectNfs3, listDirectory, type Nfs3Context, Nfsstat3, walk } from '@rowfs/nfs3';

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
  const dir = await handleOf(SMALL_FILES);
  const large = await handleOf(LARGE_FILE);
  const files: { name: string; handle: Uint8Array }[] = [];
  for await (const { name } of listDirectory(service, dir, ctx)) {
    const found = await service.lookup({ what: { dir, name } }, ctx);
    if (found.status === Nfsstat3.OK) files.push({ name, handle: found.object });
  }

  let turn = 0;
  let bytes = 0;
  let entries = 0;
  const call = async (): Promise<number> => {
    turn += 1;
    const file = files[turn % files.length];
    if (file === undefined) throw new Error('the tree has no files');
    switch (task.kind) {
      case 'getattr':
        return (await service.getattr({ object: file.handle }, ctx)).status;
      case 'lookup':
        return (await service.lookup({ what: { dir, name: file.name } }, ctx)).status;
      case 'access':
        return (await service.access({ object: file.handle, access: ACCESS_ALL }, ctx)).status;
      case 'readdirplus': {
        const position = { cookie: 0n, cookieverf: 0n, dircount: 8192, maxcount: 32_768 };
        const result = await service.readdirplus({ dir, ...position }, ctx);
        if (result.status === Nfsstat3.OK) entries += result.entries.length;
        return result.status;
      }
      case 'read': {
        const offset = (turn * task.readBytes) % LARGE_FILE_BYTES;
        const result = await service.read({ file: large, offset, count: task.readBytes }, ctx);
        if (result.status === Nfsstat3.OK) bytes += result.count;
        return result.status;
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

  await runFor(task.seconds / 4);
  const result = await runFor(task.seconds);
  await service.close();
  return result;
}

if (import.meta.main) {
  const result = await measure(JSON.parse(process.argv[2] ?? '') as LoadTask);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
