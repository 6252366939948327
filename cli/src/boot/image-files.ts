import { setTimeout as pause } from 'node:timers/promises';
import type { ImageFiles } from '@rowfs/boot';
import {
  type Filehandle,
  Ftype3,
  listDirectory,
  MAX_TRANSFER_BYTES,
  Mountstat3,
  Nfs3Error,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  pathNames,
} from '@rowfs/nfs3';
import { rootCredential } from '../root-credential.ts';

/** Enough to fill a long link; a kernel and its initrd are tens of MB. */
const READS_IN_FLIGHT = 16;
const CHUNK_BYTES = Math.min(MAX_TRANSFER_BYTES, 256 * 1024);
/** As Linux has it (path_resolution(7)). */
const MOST_LINKS = 40;
/** While no server can be asked, NFS3ERR_JUKEBOX says to come back. */
const RETRY_MS = 1_000;

/** The files of an image that an NFSv3 service has. */
export function imageFiles(image: Nfs3Service): ImageFiles {
  const ctx: Nfs3Context = {
    credential: rootCredential,
    signal: new AbortController().signal,
    peer: { address: '127.0.0.1', port: 0 },
  };
  return {
    async list(directory) {
      const found = await find(image, directory, ctx);
      if (found?.type !== Ftype3.DIR) return [];
      const names: string[] = [];
      for await (const { name } of listDirectory(image, found.object, ctx)) names.push(name);
      return names;
    },
    async open(path) {
      const found = await find(image, path, ctx);
      return found?.type === Ftype3.REG ? contentsOf(image, found, ctx) : undefined;
    },
  };
}

interface Found {
  readonly object: Filehandle;
  readonly type: Ftype3;
  readonly size: number;
}

/** Walks a path, through symbolic links; undefined when it leads nowhere. */
async function find(
  image: Nfs3Service,
  path: string,
  ctx: Nfs3Context,
): Promise<Found | undefined> {
  const mounted = await image.mount('/', ctx);
  if (mounted.status !== Mountstat3.OK) throw new Nfs3Error(mounted.status, 'MNT');
  const root = await foundAt(image, mounted.handle, ctx);
  let parents: Found[] = [];
  let at = root;
  let names = pathNames(path);
  for (let links = 0; names.length > 0;) {
    const [name = '', ...rest] = names;
    names = rest;
    if (name === '..') {
      at = parents.pop() ?? root;
      continue;
    }
    const result = await image.lookup({ what: { dir: at.object, name } }, ctx);
    if (result.status === Nfsstat3.NOENT || result.status === Nfsstat3.NOTDIR) return undefined;
    if (result.status !== Nfsstat3.OK) throw new Nfs3Error(result.status, `LOOKUP of ${path}`);
    const next = await foundAt(image, result.object, ctx);
    if (next.type !== Ftype3.LNK) {
      parents.push(at);
      at = next;
      continue;
    }
    const link = await image.readlink({ symlink: next.object }, ctx);
    if (link.status !== Nfsstat3.OK) throw new Nfs3Error(link.status, `READLINK of ${path}`);
    links += 1;
    if (links > MOST_LINKS) return undefined;
    names = [...pathNames(link.data), ...names];
    if (link.data.startsWith('/')) [at, parents] = [root, []];
  }
  return at;
}

async function foundAt(image: Nfs3Service, object: Filehandle, ctx: Nfs3Context): Promise<Found> {
  const result = await image.getattr({ object }, ctx);
  if (result.status !== Nfsstat3.OK) throw new Nfs3Error(result.status, 'GETATTR');
  const { type, size } = result.attributes;
  return { object, type, size };
}

/** In order, with many READs under way. */
async function* contentsOf(
  image: Nfs3Service,
  file: Found,
  ctx: Nfs3Context,
): AsyncGenerator<Uint8Array, void, void> {
  const underWay: Promise<readonly Uint8Array[]>[] = [];
  for (let next = 0; ;) {
    while (next < file.size && underWay.length < READS_IN_FLIGHT) {
      const count = Math.min(CHUNK_BYTES, file.size - next);
      const chunk = readChunk(image, file.object, next, count, ctx);
      // It is awaited in its turn; until then a failure is nobody's.
      chunk.catch(() => undefined);
      underWay.push(chunk);
      next += count;
    }
    const first = underWay.shift();
    if (first === undefined) return;
    yield* await first;
  }
}

async function readChunk(
  image: Nfs3Service,
  file: Filehandle,
  offset: number,
  count: number,
  ctx: Nfs3Context,
): Promise<readonly Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for (let at = offset; at < offset + count;) {
    const result = await image.read({ file, offset: at, count: offset + count - at }, ctx);
    if (result.status === Nfsstat3.JUKEBOX) {
      await pause(RETRY_MS);
      continue;
    }
    if (result.status !== Nfsstat3.OK) throw new Nfs3Error(result.status, `READ at ${at}`);
    if (result.count === 0) throw new Error(`the file ends at ${at}, before its size`);
    pieces.push(...result.data);
    at += result.count;
  }
  return pieces;
}
