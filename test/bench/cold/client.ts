/**
 * A client at user level that asks what the Linux kernel's client asks when its caches are empty, one
 * call after the other, in a process of its own. Takes one JSON argument (ColdTask), prints one JSON
 * line (ColdResult).
 *
 * - walk, as `find -ls` does: ACCESS and READDIRPLUS of each directory, which brings all attributes.
 * - files, as `cat` of one after the other does: LOOKUP of each name not seen before, ACCESS, READ.
 * - recorded, as a boot did: the same, but only what it read of each file, from a list in a file.
 * - sequential, as `dd` does, with as many READs of 1 MiB under way as read-ahead has.
 */
import { readFile } from 'node:fs/promises';
import {
  connectNfs3,
  type Filehandle,
  Ftype3,
  type Nfs3Context,
  Nfsstat3,
  nfsstat3Name,
  pathNames,
  type RemoteNfs3Service,
} from '@rowfs/nfs3';

export type ColdWork =
  | { readonly kind: 'walk'; readonly directory: string }
  | { readonly kind: 'files'; readonly paths: readonly string[] }
  | { readonly kind: 'recorded'; readonly list: string }
  | {
      readonly kind: 'sequential';
      readonly path: string;
      readonly bytes: number;
      readonly inFlight: number;
    };

/** In bytes; within the file. */
export interface RecordedRead {
  readonly path: string;
  readonly offset: number;
  readonly count: number;
}

export interface ColdTask {
  readonly host: string;
  readonly port: number;
  readonly mountPort: number;
  readonly path: string;
  readonly work: ColdWork;
}

export interface ColdResult {
  readonly ms: number;
  /** Of the directory that was walked, or of the files that were read. */
  readonly entries: number;
  readonly bytes: number;
}

const READ_BYTES = 2 ** 20;
const ACCESS_ALL = 0x3f;
/** What the kernel asks for: a page of names, and eight of attributes. */
const DIRCOUNT_BYTES = 4096;
const MAXCOUNT_BYTES = 32_768;

class ColdClient {
  readonly #service: RemoteNfs3Service;
  readonly #root: Filehandle;
  readonly #ctx: Nfs3Context;
  readonly #directories = new Map<string, Filehandle>();
  readonly #files = new Map<string, Filehandle>();
  entries = 0;
  bytes = 0;

  constructor(service: RemoteNfs3Service, root: Filehandle, ctx: Nfs3Context) {
    this.#service = service;
    this.#root = root;
    this.#ctx = ctx;
  }

  async perform(work: ColdWork): Promise<void> {
    switch (work.kind) {
      case 'walk':
        return this.#walk(await this.#find(work.directory));
      case 'files':
        for (const path of work.paths) await this.#readFile(path);
        return;
      case 'recorded':
        for (const read of JSON.parse(await readFile(work.list, 'utf8')) as RecordedRead[])
          await this.#readPart(read);
        return;
      case 'sequential':
        return this.#readInOrder(await this.#find(work.path), work.bytes, work.inFlight);
    }
  }

  async #walk(dir: Filehandle): Promise<void> {
    await this.#access(dir);
    const below: Filehandle[] = [];
    let position = { cookie: 0n, cookieverf: 0n };
    for (;;) {
      const page = await this.#service.readdirplus(
        { dir, ...position, dircount: DIRCOUNT_BYTES, maxcount: MAXCOUNT_BYTES },
        this.#ctx,
      );
      if (page.status !== Nfsstat3.OK) throw answered('READDIRPLUS', page.status);
      for (const { name, nameHandle, nameAttributes, cookie } of page.entries) {
        position = { cookie, cookieverf: page.cookieverf };
        if (name === '.' || name === '..') continue;
        this.entries += 1;
        if (nameAttributes?.type === Ftype3.DIR && nameHandle !== undefined) below.push(nameHandle);
      }
      if (page.eof) break;
    }
    for (const each of below) await this.#walk(each);
  }

  async #readFile(path: string): Promise<void> {
    const file = await this.#find(path);
    await this.#access(file);
    for (let offset = 0; ;) {
      const result = await this.#read(file, offset);
      offset += result.count;
      if (result.eof) break;
    }
    this.entries += 1;
  }

  async #readPart({ path, offset, count }: RecordedRead): Promise<void> {
    let file = this.#files.get(path);
    if (file === undefined) {
      file = await this.#find(path);
      await this.#access(file);
      this.#files.set(path, file);
      this.entries += 1;
    }
    for (let read = 0; read < count;)
      read += (await this.#read(file, offset + read, count - read)).count;
  }

  async #readInOrder(file: Filehandle, bytes: number, inFlight: number): Promise<void> {
    await this.#access(file);
    let next = 0;
    const reader = async (): Promise<void> => {
      while (next < bytes) {
        const offset = next;
        next += READ_BYTES;
        await this.#read(file, offset);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, reader));
    this.entries += 1;
  }

  async #read(
    file: Filehandle,
    offset: number,
    count = READ_BYTES,
  ): Promise<{ count: number; eof: boolean }> {
    const result = await this.#service.read({ file, offset, count }, this.#ctx);
    if (result.status !== Nfsstat3.OK) throw answered('READ', result.status);
    this.bytes += result.count;
    return result;
  }

  async #access(object: Filehandle): Promise<void> {
    const result = await this.#service.access({ object, access: ACCESS_ALL }, this.#ctx);
    if (result.status !== Nfsstat3.OK) throw answered('ACCESS', result.status);
  }

  /** Name by name; directories that were found before are known, as in the kernel's cache of names. */
  async #find(path: string): Promise<Filehandle> {
    let object = this.#root;
    let above = '';
    for (const name of pathNames(path)) {
      const here = `${above}/${name}`;
      let found = this.#directories.get(here);
      if (found === undefined) {
        const result = await this.#service.lookup({ what: { dir: object, name } }, this.#ctx);
        if (result.status !== Nfsstat3.OK) throw answered(`LOOKUP of ${here}`, result.status);
        found = result.object;
        if (result.objAttributes?.type === Ftype3.DIR) this.#directories.set(here, found);
      }
      object = found;
      above = here;
    }
    return object;
  }
}

function answered(what: string, status: Parameters<typeof nfsstat3Name>[0]): Error {
  return new Error(`${what} was answered ${nfsstat3Name(status)}`);
}

async function measure({ work, ...server }: ColdTask): Promise<ColdResult> {
  const service = connectNfs3(server);
  const ctx: Nfs3Context = {
    credential: { flavor: 'sys', stamp: 0, machinename: 'bench', uid: 0, gid: 0, gids: [] },
    signal: new AbortController().signal,
    peer: { address: server.host, port: server.port },
  };
  const mounted = await service.mount(server.path, ctx);
  if (mounted.status !== 0) throw new Error(`MNT answers ${mounted.status}`);
  await service.getattr({ object: mounted.handle }, ctx);
  const client = new ColdClient(service, mounted.handle, ctx);
  const begin = performance.now();
  await client.perform(work);
  const ms = performance.now() - begin;
  await service.close();
  return { ms, entries: client.entries, bytes: client.bytes };
}

if (import.meta.main) {
  const result = await measure(JSON.parse(process.argv[2] ?? '') as ColdTask);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
