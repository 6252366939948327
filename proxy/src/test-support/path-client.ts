import assert from 'node:assert/strict';
import {
  type Fattr3,
  type Filehandle,
  Ftype3,
  listDirectory,
  Mountstat3,
  type Nfs3Service,
  Nfsstat3,
  type Sattr3,
  StableHow,
  UNCHANGED,
  walk,
} from '@rowfs/nfs3';
import { testContext as ctx } from './image-servers.ts';

/** An NFS client by paths, `a/b`, the root being ''; whatever fails fails the test. */
export class PathClient {
  readonly service: Nfs3Service;
  readonly root: Filehandle;

  static async mount(service: Nfs3Service): Promise<PathClient> {
    const mounted = await service.mount('/', ctx);
    assert.ok(mounted.status === Mountstat3.OK, `MNT: ${mounted.status}`);
    return new PathClient(service, mounted.handle);
  }

  private constructor(service: Nfs3Service, root: Filehandle) {
    this.service = service;
    this.root = root;
  }

  async handle(path: string): Promise<Filehandle> {
    const found = await walk(this.service, this.root, namesOf(path), ctx);
    assert.ok(found.status === Nfsstat3.OK, `${path}: ${found.status}`);
    return found.object;
  }

  async attributes(path: string): Promise<Fattr3> {
    const result = await this.service.getattr({ object: await this.handle(path) }, ctx);
    assert.ok(result.status === Nfsstat3.OK);
    return result.attributes;
  }

  async create(path: string, text = ''): Promise<void> {
    const how = { mode: 'guarded', objAttributes: { ...UNCHANGED, mode: 0o644 } } as const;
    done(await this.service.create({ where: await this.#where(path), how }, ctx), path);
    if (text !== '') await this.write(path, 0, text);
  }

  async mkdir(path: string): Promise<void> {
    const attributes = { ...UNCHANGED, mode: 0o755 };
    done(await this.service.mkdir({ where: await this.#where(path), attributes }, ctx), path);
  }

  async symlink(path: string, target: string): Promise<void> {
    const where = await this.#where(path);
    const args = { where, symlinkAttributes: UNCHANGED, symlinkData: target };
    done(await this.service.symlink(args, ctx), path);
  }

  async mknod(path: string, type: 'FIFO' | 'SOCK'): Promise<void> {
    const what = { type: Ftype3[type], attributes: UNCHANGED };
    done(await this.service.mknod({ where: await this.#where(path), what }, ctx), path);
  }

  async write(path: string, offset: number, text: string | Buffer): Promise<void> {
    const bytes = Buffer.from(text);
    const file = await this.handle(path);
    const args = { file, offset, count: bytes.length, data: [bytes], stable: StableHow.FILE_SYNC };
    done(await this.service.write(args, ctx), path);
  }

  async setattr(path: string, wanted: Partial<Sattr3>): Promise<void> {
    const object = await this.handle(path);
    const newAttributes = { ...UNCHANGED, ...wanted };
    done(await this.service.setattr({ object, newAttributes, guard: undefined }, ctx), path);
  }

  async remove(path: string): Promise<void> {
    done(await this.service.remove({ object: await this.#where(path) }, ctx), path);
  }

  async rmdir(path: string): Promise<void> {
    done(await this.service.rmdir({ object: await this.#where(path) }, ctx), path);
  }

  async rename(from: string, to: string): Promise<void> {
    const args = { from: await this.#where(from), to: await this.#where(to) };
    done(await this.service.rename(args, ctx), `${from} -> ${to}`);
  }

  async link(file: string, path: string): Promise<void> {
    const args = { file: await this.handle(file), link: await this.#where(path) };
    done(await this.service.link(args, ctx), path);
  }

  async read(path: string): Promise<Buffer> {
    const file = await this.handle(path);
    const parts: Uint8Array[] = [];
    for (let offset = 0; ;) {
      const result = await this.service.read({ file, offset, count: 1 << 20 }, ctx);
      assert.ok(result.status === Nfsstat3.OK, `${path}: ${result.status}`);
      parts.push(...result.data);
      offset += result.count;
      if (result.eof) return Buffer.concat(parts);
    }
  }

  async names(path: string): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of listDirectory(this.service, await this.handle(path), ctx))
      names.push(name);
    return names.sort();
  }

  async #where(path: string): Promise<{ dir: Filehandle; name: string }> {
    const names = namesOf(path);
    const name = names.pop() ?? '';
    return { dir: await this.handle(names.join('/')), name };
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '');
}

function done({ status }: { readonly status: number }, what: string): void {
  assert.equal(status, Nfsstat3.OK, what);
}
