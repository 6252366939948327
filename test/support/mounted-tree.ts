import assert from 'node:assert/strict';
import {
  connectNfs3,
  type Filehandle,
  listDirectory,
  type Nfs3Context,
  Nfsstat3,
  nfsstat3Name,
  type RemoteNfs3Service,
  StableHow,
  UNCHANGED,
} from '@rowfs/nfs3';

const MIB = 2 ** 20;
const CHUNK = 256 * 1024;
const BLOCK = 4096;

const ctx: Nfs3Context = {
  credential: { flavor: 'sys', stamp: 0, machinename: 'test', uid: 0, gid: 0, gids: [] },
  signal: new AbortController().signal,
  peer: { address: '127.0.0.1', port: 0 },
};

/**
 * The root directory of a mounted tree, by names in it. What changes something answers with the name of
 * its status.
 */
export class MountedTree {
  readonly #service: RemoteNfs3Service;
  readonly #root: Filehandle;
  #verifier: bigint | undefined;

  static async mount({ host, port }: { host: string; port: number }): Promise<MountedTree> {
    const service = connectNfs3({ host, port });
    const mounted = await service.mount('/', ctx);
    assert.ok(mounted.status === 0);
    return new MountedTree(service, mounted.handle);
  }

  constructor(service: RemoteNfs3Service, root: Filehandle) {
    this.#service = service;
    this.#root = root;
  }

  close(): Promise<void> {
    return this.#service.close();
  }

  async create(name: string): Promise<string> {
    const how = { mode: 'guarded', objAttributes: { ...UNCHANGED, mode: 0o644 } } as const;
    const result = await this.#service.create({ where: { dir: this.#root, name }, how }, ctx);
    return nfsstat3Name(result.status);
  }

  async mkdir(name: string): Promise<string> {
    const args = { where: { dir: this.#root, name }, attributes: UNCHANGED };
    return nfsstat3Name((await this.#service.mkdir(args, ctx)).status);
  }

  async remove(name: string): Promise<string> {
    const args = { object: { dir: this.#root, name } };
    return nfsstat3Name((await this.#service.remove(args, ctx)).status);
  }

  async truncate(name: string, size: number): Promise<string> {
    const object = await this.#handle(name);
    const args = { object, newAttributes: { ...UNCHANGED, size }, guard: undefined };
    return nfsstat3Name((await this.#service.setattr(args, ctx)).status);
  }

  async chmod(name: string, mode: number): Promise<string> {
    const object = await this.#handle(name);
    const args = { object, newAttributes: { ...UNCHANGED, mode }, guard: undefined };
    return nfsstat3Name((await this.#service.setattr(args, ctx)).status);
  }

  async write(name: string, offset: number, data: Uint8Array, stable: StableHow): Promise<string> {
    const file = await this.#handle(name);
    const args = { file, offset, count: data.length, stable, data: [data] };
    const result = await this.#service.write(args, ctx);
    if (result.status === Nfsstat3.OK) this.#verifier = result.verf;
    return nfsstat3Name(result.status);
  }

  async commit(name: string): Promise<string> {
    const args = { file: await this.#handle(name), offset: 0, count: 0 };
    const result = await this.#service.commit(args, ctx);
    if (result.status === Nfsstat3.OK) this.#verifier = result.verf;
    return nfsstat3Name(result.status);
  }

  /** writeverf3 of the last WRITE or COMMIT that succeeded. */
  get verifier(): bigint | undefined {
    return this.#verifier;
  }

  async names(): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of listDirectory(this.#service, this.#root, ctx)) names.push(name);
    return names.sort();
  }

  async mode(name: string): Promise<number> {
    const result = await this.#service.getattr({ object: await this.#handle(name) }, ctx);
    assert.ok(result.status === Nfsstat3.OK);
    return result.attributes.mode & 0o7777;
  }

  async read(name: string, count: number): Promise<string> {
    const file = await this.#handle(name);
    return nfsstat3Name((await this.#service.read({ file, offset: 0, count }, ctx)).status);
  }

  async content(name: string): Promise<Buffer> {
    const file = await this.#handle(name);
    const parts: Uint8Array[] = [];
    for (let offset = 0; ;) {
      const result = await this.#service.read({ file, offset, count: MIB }, ctx);
      assert.ok(result.status === Nfsstat3.OK, nfsstat3Name(result.status));
      parts.push(...result.data);
      offset += result.count;
      if (result.eof) return Buffer.concat(parts);
    }
  }

  /** Bytes that `df` shows as available. */
  async available(): Promise<number> {
    const result = await this.#service.fsstat({ fsroot: this.#root }, ctx);
    assert.ok(result.status === Nfsstat3.OK);
    return Number(result.abytes);
  }

  /** Appends to a file until not even a block finds room, unstable, as a kernel does. */
  async fill(name: string): Promise<number> {
    let size = 0;
    for (const bytes of [CHUNK, BLOCK]) {
      for (; ; size += bytes) {
        const status = await this.write(name, size, Buffer.alloc(bytes, 7), StableHow.UNSTABLE);
        if (status === 'NFS3_OK') continue;
        assert.equal(status, 'NFS3ERR_NOSPC');
        break;
      }
    }
    return size;
  }

  async #handle(name: string): Promise<Filehandle> {
    const result = await this.#service.lookup({ what: { dir: this.#root, name } }, ctx);
    assert.ok(result.status === Nfsstat3.OK, `${name}: ${nfsstat3Name(result.status)}`);
    return result.object;
  }
}
