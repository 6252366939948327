/**
 * The client of the demo, a process of its own: an NFSv3 client that knows nothing of rowfs but the
 * address it mounts. Takes one JSON argument, says JSON lines on standard output.
 */
import { createHash } from 'node:crypto';
import {
  connectNfs3,
  Ftype3,
  type Nfs3Context,
  Nfsstat3,
  nfsstat3Name,
  pathNames,
  StableHow,
  UNCHANGED,
  walk,
} from '@rowfs/nfs3';
import { TreeComparison } from './compare-tree.ts';

/** What the client is asked to do. */
export type ClientTask = {
  readonly host: string;
  readonly port: number;
  readonly mountPort: number;
} & (
  | { readonly do: 'compare'; readonly source: string }
  | { readonly do: 'write' | 'check-writes' }
  | { readonly do: 'read'; readonly path: string }
);

/** Where the client changes things: a file of the image to overwrite, one to remove, new names. */
const OVERWRITTEN = '/odd names/umlaut-ü-漢字-🗻';
const REMOVED = '/odd names/-rf';
const NEW_DIRECTORY = 'written by the client';
const NEW_FILE = 'data.bin';
const NEW_BYTES = 3_000_001;

const say = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const task = JSON.parse(process.argv[2] ?? '{}') as ClientTask;
const ctx: Nfs3Context = {
  credential: { flavor: 'sys', stamp: 0, machinename: 'demo', uid: 0, gid: 0, gids: [] },
  signal: new AbortController().signal,
  peer: { address: '127.0.0.1', port: 0 },
};
const service = connectNfs3({
  host: task.host,
  port: task.port,
  mountPort: task.mountPort,
  timeoutMs: 60_000,
});
try {
  say({ done: true, ...(await perform(task)) });
} finally {
  await service.close();
}

async function perform(what: ClientTask): Promise<object> {
  const root = await mountRoot();
  switch (what.do) {
    case 'compare': {
      let told = 0;
      const comparison = new TreeComparison(service, ctx, (bytes) => {
        if (bytes - told < 8 * 2 ** 20) return;
        told = bytes;
        say({ bytes });
      });
      return comparison.run(root, what.source);
    }
    case 'write':
      return write(root);
    case 'check-writes':
      return checkWrites(root);
    case 'read':
      return { text: (await readAll(await find(root, what.path))).toString() };
  }
}

async function mountRoot(): Promise<Uint8Array> {
  const mounted = await service.mount('/', ctx);
  if (mounted.status !== 0) throw new Error(`MNT answers status ${mounted.status}`);
  return mounted.handle;
}

/** A path as this machine's bytes, one character each. */
function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function expectOk<R extends { status: number }>(
  result: R,
  what: string,
): asserts result is Extract<R, { status: typeof Nfsstat3.OK }> {
  if (result.status !== Nfsstat3.OK) throw new Error(`${what}: ${nfsstat3Name(result.status)}`);
}

async function find(root: Uint8Array, path: string): Promise<Uint8Array> {
  const found = await walk(service, root, pathNames(latin1(path)), ctx);
  expectOk(found, `LOOKUP ${path}`);
  return found.object;
}

async function readAll(file: Uint8Array): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (let offset = 0; ;) {
    const result = await service.read({ file, offset, count: 1_000_000 }, ctx);
    expectOk(result, 'READ');
    parts.push(...result.data);
    offset += result.count;
    if (result.eof) return Buffer.concat(parts);
  }
}

async function put(file: Uint8Array, offset: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const part = bytes.subarray(done, done + 500_000);
    const result = await service.write(
      { file, offset: offset + done, count: part.length, stable: StableHow.UNSTABLE, data: [part] },
      ctx,
    );
    expectOk(result, 'WRITE');
    done += result.count;
  }
  expectOk(await service.commit({ file, offset: 0, count: 0 }, ctx), 'COMMIT');
}

function newBytes(): Buffer {
  const bytes = Buffer.alloc(NEW_BYTES);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = (i * 31 + (i >> 8)) & 0xff;
  return bytes;
}

/** Overwrites the middle of an image file, removes another, makes a directory with a new file. */
async function write(root: Uint8Array): Promise<object> {
  const overwritten = await find(root, OVERWRITTEN);
  await put(overwritten, 5, Buffer.from('FILE'));
  const odd = await find(root, '/odd names');
  expectOk(
    await service.remove({ object: { dir: odd, name: pathNames(latin1(REMOVED))[1] ?? '' } }, ctx),
    'REMOVE',
  );
  const attributes = { ...UNCHANGED, mode: 0o755 };
  expectOk(
    await service.mkdir({ where: { dir: root, name: NEW_DIRECTORY }, attributes }, ctx),
    'MKDIR',
  );
  const dir = await find(root, `/${NEW_DIRECTORY}`);
  const how = { mode: 'guarded', objAttributes: { ...UNCHANGED, mode: 0o644 } } as const;
  expectOk(await service.create({ where: { dir, name: 'being written' }, how }, ctx), 'CREATE');
  const file = await find(root, `/${NEW_DIRECTORY}/being written`);
  await put(file, 0, newBytes());
  const renamed = await service.rename(
    { from: { dir, name: 'being written' }, to: { dir, name: NEW_FILE } },
    ctx,
  );
  expectOk(renamed, 'RENAME');
  return { wrote: NEW_BYTES + 4 };
}

/** Whether everything that {@link write} did is there. */
async function checkWrites(root: Uint8Array): Promise<object> {
  const wrong: string[] = [];
  const overwritten = await readAll(await find(root, OVERWRITTEN));
  if (!overwritten.toString().startsWith('This FILE')) wrong.push('the overwritten file');
  const removed = await walk(service, root, pathNames(latin1(REMOVED)), ctx);
  if (removed.status !== Nfsstat3.NOENT) wrong.push('the removed file');
  const linked = await service.getattr(
    { object: await find(root, '/odd names/hard link to -rf') },
    ctx,
  );
  if (
    linked.status !== Nfsstat3.OK ||
    linked.attributes.type !== Ftype3.REG ||
    linked.attributes.nlink !== 1
  ) {
    wrong.push('the link count of the other name of the removed file');
  }
  const read = await readAll(await find(root, `/${NEW_DIRECTORY}/${NEW_FILE}`));
  const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  if (digest(read) !== digest(newBytes())) wrong.push('the new file');
  return { wrong };
}
