/**
 * Does one piece of work over NFSv3, in a process of its own so that client and server do not share a
 * thread. Takes one JSON argument (NfsTask), prints one JSON line (Done).
 */
import {
  connectNfs3,
  listDirectory,
  type Nfs3Context,
  Nfsstat3,
  StableHow,
  UNCHANGED,
  walk,
} from '@rowfs/nfs3';
import { BLOCK_BYTES, type Done, scatteredBlocks, Stopwatch, type Work } from './work.ts';

export interface NfsTask {
  readonly host: string;
  readonly port: number;
  readonly mountPort: number;
  readonly path: string;
  readonly work: Work;
}

type Client = Awaited<ReturnType<typeof connect>>;

async function connect({ host, port, mountPort, path }: NfsTask) {
  const service = connectNfs3({ host, port, mountPort });
  const ctx: Nfs3Context = {
    credential: { flavor: 'sys', stamp: 0, machinename: 'bench', uid: 0, gid: 0, gids: [] },
    signal: new AbortController().signal,
    peer: { address: host, port },
  };
  const mounted = await service.mount(path, ctx);
  if (mounted.status !== 0) throw new Error(`MNT answers ${mounted.status}`);
  const root = mounted.handle;
  const find = async (name: string): Promise<Uint8Array> =>
    ok(await walk(service, root, name.split('/'), ctx)).object;
  return { service, ctx, root, find };
}

function ok<R extends { readonly status: number }>(
  result: R,
): Extract<R, { readonly status: typeof Nfsstat3.OK }> {
  if (result.status !== Nfsstat3.OK) throw new Error(`the server answers ${result.status}`);
  return result as Extract<R, { readonly status: typeof Nfsstat3.OK }>;
}

/** Does `each` with all numbers below `count`, `inFlight` of them at a time. */
async function inFlightOf(
  inFlight: number,
  count: number,
  each: (turn: number, worker: number) => Promise<unknown>,
): Promise<number> {
  let next = 0;
  const worker = async (_: unknown, index: number): Promise<void> => {
    while (next < count) await each(next++, index);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return count;
}

async function makeDirectory({ service, ctx, find }: Client, parent: string): Promise<Uint8Array> {
  const where = { dir: await find(parent), name: `bench-${process.pid}` };
  const made = ok(await service.mkdir({ where, attributes: UNCHANGED }, ctx)).obj;
  return made ?? ok(await service.lookup({ what: where }, ctx)).object;
}

async function createFile(
  { service, ctx }: Client,
  dir: Uint8Array,
  name: string,
): Promise<Uint8Array> {
  const where = { dir, name };
  const how = { mode: 'guarded', objAttributes: { ...UNCHANGED, mode: 0o644 } } as const;
  const made = ok(await service.create({ where, how }, ctx)).obj;
  return made ?? ok(await service.lookup({ what: where }, ctx)).object;
}

/** What the kinds of work do; resolves when it is done, and timed phase by phase. */
async function perform(client: Client, work: Work, watch: Stopwatch): Promise<void> {
  const { service, ctx } = client;
  const write = async (
    file: Uint8Array,
    offset: number,
    data: Uint8Array,
    stable: StableHow,
  ): Promise<void> => {
    ok(await service.write({ file, offset, count: data.length, stable, data: [data] }, ctx));
  };
  const commit = async (file: Uint8Array): Promise<void> => {
    ok(await service.commit({ file, offset: 0, count: 0 }, ctx));
  };
  switch (work.kind) {
    case 'files': {
      const dir = await makeDirectory(client, work.parent);
      const names = Array.from({ length: work.count }, (_, i) => `file-${i}`);
      const each = (task: (name: string) => Promise<unknown>): Promise<number> =>
        inFlightOf(work.inFlight, work.count, (i) => task(names[i] ?? ''));
      await watch.time('create', () => each((name) => createFile(client, dir, name)));
      await watch.time('stat', () =>
        each(async (name) => ok(await service.lookup({ what: { dir, name } }, ctx))),
      );
      await watch.time('unlink', () =>
        each(async (name) => ok(await service.remove({ object: { dir, name } }, ctx))),
      );
      return;
    }
    case 'stable-writes': {
      const dir = await makeDirectory(client, work.parent);
      const files: Uint8Array[] = [];
      for (let i = 0; i < work.inFlight; i += 1)
        files.push(await createFile(client, dir, `file-${i}`));
      const data = Buffer.alloc(BLOCK_BYTES, 0x5a);
      await watch.time('write', () =>
        inFlightOf(work.inFlight, work.count, async (turn, worker) => {
          const file = files[worker] ?? Buffer.alloc(0);
          const offset = Math.floor(turn / work.inFlight) * BLOCK_BYTES;
          if (work.how === 'file-sync') return write(file, offset, data, StableHow.FILE_SYNC);
          await write(file, offset, data, StableHow.UNSTABLE);
          await commit(file);
        }),
      );
      return;
    }
    case 'sequential-write': {
      const file = await createFile(client, await makeDirectory(client, work.parent), 'large');
      const data = Buffer.alloc(work.pieceBytes, 0x5a);
      await watch.time('write', async () => {
        await inFlightOf(work.inFlight, work.bytes / work.pieceBytes, (turn) =>
          write(file, turn * work.pieceBytes, data, StableHow.UNSTABLE),
        );
        await commit(file);
        return work.bytes;
      });
      return;
    }
    case 'rewrite': {
      const file = await client.find(work.file);
      const data = Buffer.alloc(BLOCK_BYTES, 0xa5);
      const blocks = scatteredBlocks(work.fileBytes / BLOCK_BYTES, work.count, work.seed);
      await watch.time('write', async () => {
        await inFlightOf(work.inFlight, work.count, (turn) =>
          write(file, (blocks[turn] ?? 0) * BLOCK_BYTES, data, StableHow.UNSTABLE),
        );
        await commit(file);
        return work.count;
      });
      return;
    }
    case 'change-files': {
      const data = Buffer.alloc(BLOCK_BYTES, 0x3c);
      await watch.time('change', async () => {
        let changed = 0;
        for (const directory of await list(client, await client.find(work.directory))) {
          if (directory.handle === undefined) continue;
          const files = await list(client, directory.handle);
          const chosen = files.filter((_, i) => i % work.every === 0);
          changed += await inFlightOf(work.inFlight, chosen.length, async (i) => {
            const file = chosen[i]?.handle;
            if (file !== undefined) await write(file, 0, data, StableHow.FILE_SYNC);
          });
        }
        return changed;
      });
      return;
    }
    case 'walk': {
      const top = await client.find(work.directory);
      await watch.time('walk', () => countNames(client, top));
      return;
    }
    case 'read': {
      const file = await client.find(work.file);
      await watch.time('read', async () => {
        await inFlightOf(work.inFlight, work.bytes / work.pieceBytes, async (turn) => {
          const args = { file, offset: turn * work.pieceBytes, count: work.pieceBytes };
          const { count } = ok(await service.read(args, ctx));
          if (count !== work.pieceBytes) throw new Error(`${count} bytes of READ`);
        });
        return work.bytes;
      });
    }
  }
}

interface Listed {
  readonly name: string;
  readonly handle: Uint8Array | undefined;
  readonly isDirectory: boolean;
}

/** What READDIRPLUS has; where it leaves out attributes or handle, one LOOKUP more, as clients do. */
async function list({ service, ctx }: Client, dir: Uint8Array): Promise<Listed[]> {
  const listed: Listed[] = [];
  for await (const { name, nameHandle, nameAttributes } of listDirectory(service, dir, ctx)) {
    let [handle, attributes] = [nameHandle, nameAttributes];
    if (handle === undefined || attributes === undefined) {
      const found = ok(await service.lookup({ what: { dir, name } }, ctx));
      [handle, attributes] = [found.object, found.objAttributes];
    }
    listed.push({ name, handle, isDirectory: attributes?.type === 2 });
  }
  return listed;
}

async function countNames(client: Client, dir: Uint8Array): Promise<number> {
  const listed = await list(client, dir);
  let count = listed.length;
  for (const { handle, isDirectory } of listed)
    if (isDirectory && handle !== undefined) count += await countNames(client, handle);
  return count;
}

if (import.meta.main) {
  const task = JSON.parse(process.argv[2] ?? '') as NfsTask;
  const client = await connect(task);
  const watch = new Stopwatch();
  await perform(client, task.work, watch);
  await client.service.close();
  process.stdout.write(`${JSON.stringify(watch.done satisfies Done)}\n`);
}
