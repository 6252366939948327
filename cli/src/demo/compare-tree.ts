import { type FileHandle, lstat, open, readdir, readlink } from 'node:fs/promises';
import { RESERVED_NAME } from '@rowfs/image';
import {
  type DirEntryPlus,
  type Fattr3,
  Ftype3,
  listDirectory,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  nfsstat3Name,
} from '@rowfs/nfs3';

const READ_BYTES = 1024 * 1024;
/** Files compared at the same time. */
const FILES_IN_FLIGHT = 16;
const MAX_DIFFERENCES = 20;

export interface Comparison {
  directories: number;
  files: number;
  symlinks: number;
  bytes: number;
  /** Names that share their file with another name, on both sides alike. */
  hardLinks: number;
  /** What differs, a line each; empty when the trees are the same. */
  readonly differences: string[];
}

/** Compares what a service serves with a directory of this machine, byte for byte. */
export class TreeComparison {
  readonly #service: Nfs3Service;
  readonly #ctx: Nfs3Context;
  readonly #progress: (bytes: number) => void;
  readonly #found: Comparison = {
    directories: 0,
    files: 0,
    symlinks: 0,
    bytes: 0,
    hardLinks: 0,
    differences: [],
  };
  /** Which served file each hard-linked file of the directory turned out to be. */
  readonly #linked = new Map<number, bigint>();

  constructor(service: Nfs3Service, ctx: Nfs3Context, progress: (bytes: number) => void) {
    this.#service = service;
    this.#ctx = ctx;
    this.#progress = progress;
  }

  /** @param directory the path on this machine that the served directory `handle` should equal. */
  async run(handle: Uint8Array, directory: string): Promise<Comparison> {
    const files: { entry: DirEntryPlus; path: Buffer }[] = [];
    // What stands there for rowfs is no part of the image.
    await this.#directory(handle, Buffer.from(directory), files, RESERVED_NAME);
    const next = files.values();
    const worker = async (): Promise<void> => {
      for (const { entry, path } of next) await this.#file(entry, path);
    };
    await Promise.all(Array.from({ length: FILES_IN_FLIGHT }, worker));
    return this.#found;
  }

  #differ(path: Buffer, what: string): void {
    if (this.#found.differences.length < MAX_DIFFERENCES) {
      this.#found.differences.push(`${JSON.stringify(path.toString('latin1'))}: ${what}`);
    }
  }

  async #directory(
    handle: Uint8Array,
    path: Buffer,
    files: { entry: DirEntryPlus; path: Buffer }[],
    hidden?: string,
  ): Promise<void> {
    this.#found.directories += 1;
    const expected = new Set(
      (await readdir(path, 'buffer')).map((name) => name.toString('latin1')),
    );
    if (hidden !== undefined) expected.delete(hidden);
    const directories: { handle: Uint8Array; path: Buffer }[] = [];
    for await (const entry of listDirectory(this.#service, handle, this.#ctx)) {
      const child = Buffer.concat([path, Buffer.from('/'), Buffer.from(entry.name, 'latin1')]);
      if (!expected.delete(entry.name)) {
        this.#differ(child, 'is served, but not in the source');
        continue;
      }
      const served = await this.#complete(handle, entry);
      if (served === undefined) {
        this.#differ(child, 'is listed, but not found by LOOKUP');
        continue;
      }
      const stat = await lstat(child);
      if (stat.isDirectory() && served.attributes.type === Ftype3.DIR) {
        directories.push({ handle: served.handle, path: child });
      } else if (stat.isFile() && served.attributes.type === Ftype3.REG) {
        files.push({ entry: { ...entry, nameHandle: served.handle }, path: child });
      } else if (stat.isSymbolicLink() && served.attributes.type === Ftype3.LNK) {
        await this.#symlink(served.handle, child);
      } else if (stat.isFile() || stat.isDirectory() || stat.isSymbolicLink()) {
        this.#differ(child, `is served as type ${served.attributes.type}`);
      }
      this.#attributes(child, served.attributes, stat);
    }
    for (const name of expected) {
      this.#differ(Buffer.concat([path, Buffer.from(`/${name}`, 'latin1')]), 'is not served');
    }
    for (const each of directories) await this.#directory(each.handle, each.path, files);
  }

  async #complete(
    dir: Uint8Array,
    { name, nameHandle, nameAttributes }: DirEntryPlus,
  ): Promise<{ handle: Uint8Array; attributes: Fattr3 } | undefined> {
    if (nameHandle !== undefined && nameAttributes !== undefined) {
      return { handle: nameHandle, attributes: nameAttributes };
    }
    const found = await this.#service.lookup({ what: { dir, name } }, this.#ctx);
    if (found.status !== Nfsstat3.OK) return undefined;
    if (found.objAttributes !== undefined) {
      return { handle: found.object, attributes: found.objAttributes };
    }
    const got = await this.#service.getattr({ object: found.object }, this.#ctx);
    return got.status === Nfsstat3.OK
      ? { handle: found.object, attributes: got.attributes }
      : undefined;
  }

  #attributes(
    path: Buffer,
    served: Fattr3,
    stat: { mode: number; uid: number; gid: number; mtimeMs: number; nlink: number; ino: number },
  ): void {
    if (served.mode !== (stat.mode & 0o7777)) this.#differ(path, 'has another mode');
    if (served.uid !== stat.uid || served.gid !== stat.gid) this.#differ(path, 'has another owner');
    if (served.mtime.seconds !== Math.floor(stat.mtimeMs / 1000)) {
      this.#differ(path, 'has another mtime');
    }
    if (served.type !== Ftype3.REG || stat.nlink === 1) return;
    const known = this.#linked.get(stat.ino);
    if (known !== undefined) this.#found.hardLinks += 1;
    if (known !== undefined && known !== served.fileid) {
      this.#differ(path, 'is no longer the same file as its other hard links');
    }
    this.#linked.set(stat.ino, served.fileid);
  }

  async #symlink(handle: Uint8Array, path: Buffer): Promise<void> {
    this.#found.symlinks += 1;
    const result = await this.#service.readlink({ symlink: handle }, this.#ctx);
    const target = (await readlink(path, 'buffer')).toString('latin1');
    if (result.status !== Nfsstat3.OK || result.data !== target) {
      this.#differ(path, 'points elsewhere');
    }
  }

  async #file({ nameHandle }: DirEntryPlus, path: Buffer): Promise<void> {
    this.#found.files += 1;
    if (nameHandle === undefined) {
      this.#differ(path, 'has no handle');
      return;
    }
    const source = await open(path);
    try {
      await this.#content(nameHandle, source, path);
    } finally {
      await source.close();
    }
  }

  async #content(file: Uint8Array, source: FileHandle, path: Buffer): Promise<void> {
    const expected = Buffer.allocUnsafe(READ_BYTES);
    for (let offset = 0; ;) {
      const result = await this.#service.read({ file, offset, count: READ_BYTES }, this.#ctx);
      if (result.status !== Nfsstat3.OK) {
        this.#differ(path, `READ answers ${nfsstat3Name(result.status)}`);
        return;
      }
      const served = Buffer.concat(result.data);
      const { bytesRead } = await source.read(expected, 0, served.length, offset);
      if (!served.equals(expected.subarray(0, bytesRead))) {
        this.#differ(path, `has other bytes from ${offset} on`);
        return;
      }
      offset += served.length;
      this.#found.bytes += served.length;
      this.#progress(this.#found.bytes);
      if (result.eof) {
        if ((await source.stat()).size !== offset) this.#differ(path, 'has another size');
        return;
      }
      if (served.length === 0) {
        this.#differ(path, 'ends early');
        return;
      }
    }
  }
}
