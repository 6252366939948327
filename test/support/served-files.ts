/** Compares the files that a server shows with those of a directory, byte by byte. */
import { readdir, readFile } from 'node:fs/promises';
import {
  connectNfs3,
  type Filehandle,
  type Nfs3Context,
  Nfsstat3,
  nfsstat3Name,
  pathNames,
  type RemoteNfs3Service,
  walk,
} from '@rowfs/nfs3';

/** What a client gets of a file: its bytes in pieces of READ_BYTES, or the name of a status. */
export type ServedPiece = Buffer | string;

export const READ_BYTES = 64 * 1024;

/** Files at a time, each read in order. */
const READERS = 4;

export class ServedFiles {
  readonly #service: RemoteNfs3Service;
  readonly #root: Filehandle;
  readonly #ctx: Nfs3Context;

  private constructor(service: RemoteNfs3Service, root: Filehandle, ctx: Nfs3Context) {
    this.#service = service;
    this.#root = root;
    this.#ctx = ctx;
  }

  /** @param path of the export */
  static async mount(
    { host, port, mountPort }: { host: string; port: number; mountPort?: number },
    path = '/',
  ): Promise<ServedFiles> {
    const mountAt = mountPort === undefined ? {} : { mountPort };
    const service = connectNfs3({ host, port, ...mountAt, timeoutMs: 120_000 });
    const ctx: Nfs3Context = {
      credential: { flavor: 'sys', stamp: 0, machinename: 'test', uid: 0, gid: 0, gids: [] },
      signal: new AbortController().signal,
      peer: { address: host, port },
    };
    const mounted = await service.mount(path, ctx);
    if (mounted.status !== 0) throw new Error(`MNT was answered ${mounted.status}`);
    return new ServedFiles(service, mounted.handle, ctx);
  }

  close(): Promise<void> {
    return this.#service.close();
  }

  /** @param path as latin1, and without a slash at its beginning */
  async pieces(path: string, size: number): Promise<ServedPiece[]> {
    const file = await this.#find(path);
    const pieces: ServedPiece[] = [];
    for (let offset = 0; offset < size; offset += READ_BYTES)
      pieces.push(await this.#read(file, offset, READ_BYTES));
    return pieces;
  }

  /** What one READ is answered; `path` as above. */
  async read(path: string, offset: number, count: number): Promise<ServedPiece> {
    return this.#read(await this.#find(path), offset, count);
  }

  async #find(path: string): Promise<Filehandle> {
    const found = await walk(this.#service, this.#root, pathNames(path), this.#ctx);
    if (found.status !== Nfsstat3.OK) throw new Error(`${path}: ${nfsstat3Name(found.status)}`);
    return found.object;
  }

  async #read(file: Filehandle, offset: number, count: number): Promise<ServedPiece> {
    const result = await this.#service.read({ file, offset, count }, this.#ctx);
    return result.status === Nfsstat3.OK ? Buffer.concat(result.data) : nfsstat3Name(result.status);
  }

  /** The regular files of `directory` that are not served as they are there: path and first piece. */
  async differences(directory: string): Promise<string[]> {
    const differing: string[] = [];
    const left = (await regularFiles(directory)).values();
    const reader = async (): Promise<void> => {
      for (const path of left) {
        const expected = await readFile(Buffer.from(`${directory}/${path}`, 'latin1'));
        const pieces = await this.pieces(path, expected.length);
        for (const [i, piece] of pieces.entries()) {
          const right = expected.subarray(i * READ_BYTES, (i + 1) * READ_BYTES);
          if (typeof piece !== 'string' && right.equals(piece)) continue;
          differing.push(
            `${path} at ${i * READ_BYTES}: ${typeof piece === 'string' ? piece : 'wrong bytes'}`,
          );
          break;
        }
      }
    };
    await Promise.all(Array.from({ length: READERS }, reader));
    return differing;
  }
}

/** Paths below a directory, as latin1; without the manifest that an image may have there. */
async function regularFiles(directory: string): Promise<string[]> {
  const entries = await readdir(Buffer.from(directory, 'latin1'), {
    withFileTypes: true,
    recursive: false,
    encoding: 'buffer',
  });
  const paths: string[] = [];
  for (const entry of entries) {
    const name = entry.name.toString('latin1');
    if (name === '.rowfs') continue;
    if (entry.isFile()) paths.push(name);
    if (!entry.isDirectory()) continue;
    for (const below of await regularFiles(`${directory}/${name}`)) paths.push(`${name}/${below}`);
  }
  return paths;
}
