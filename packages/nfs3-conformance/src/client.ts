import assert from 'node:assert/strict';
import {
  type DirEntry,
  type DirEntryPlus,
  type Fattr3,
  type Filehandle,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  nfsstat3Name,
  type Sattr3,
  StableHow,
  UNCHANGED,
} from '@rowfs/nfs3';

/** A context of AUTH_SYS, as a client on this machine sends it. */
export function callerContext(uid: number, gid: number, gids: readonly number[] = []): Nfs3Context {
  return {
    credential: { flavor: 'sys', stamp: 0, machinename: 'conformance', uid, gid, gids },
    signal: new AbortController().signal,
    peer: { address: '127.0.0.1', port: 1000 },
  };
}

/** Asserts that a call succeeded, and hands on what it answered. */
export function ok<R extends { readonly status: number }>(
  result: R,
): Extract<R, { readonly status: typeof Nfsstat3.OK }> {
  assert.equal(nfsstat3Name(result.status), 'NFS3_OK');
  return result as Extract<R, { readonly status: typeof Nfsstat3.OK }>;
}

/** Asserts that a call was refused, with one of these statuses. */
export function refused(
  result: { readonly status: number },
  ...expected: readonly (keyof typeof Nfsstat3)[]
): void {
  const names = expected.map((name) => nfsstat3Name(Nfsstat3[name]));
  const status = nfsstat3Name(result.status);
  assert.ok(names.includes(status), `${status} where ${names.join(' or ')} was expected`);
}

/** Asserts that what may be left out is there. */
export function present<T>(value: T | undefined): T {
  assert.ok(value !== undefined, 'missing from the answer');
  return value;
}

export function sattr(attributes: Partial<Sattr3>): Sattr3 {
  return { ...UNCHANGED, ...attributes };
}

let freshNames = 0;

/** A service as a client sees it after MNT: what many cases need in a word or two. */
export class Client {
  readonly service: Nfs3Service;
  readonly root: Filehandle;
  readonly ctx: Nfs3Context;

  constructor(service: Nfs3Service, root: Filehandle, ctx: Nfs3Context = callerContext(0, 0)) {
    this.service = service;
    this.root = root;
    this.ctx = ctx;
  }

  /** The same tree for another caller. */
  as(uid: number, gid: number, gids: readonly number[] = []): Client {
    return new Client(this.service, this.root, callerContext(uid, gid, gids));
  }

  async lookup(dir: Filehandle, name: string): Promise<Filehandle> {
    return ok(await this.service.lookup({ what: { dir, name } }, this.ctx)).object;
  }

  /** The handle at a path of names between slashes; '' is the root. */
  async walk(path: string): Promise<Filehandle> {
    let handle = this.root;
    for (const name of path.split('/').filter((part) => part !== '')) {
      handle = await this.lookup(handle, name);
    }
    return handle;
  }

  async attributes(object: Filehandle): Promise<Fattr3> {
    return ok(await this.service.getattr({ object }, this.ctx)).attributes;
  }

  async exists(dir: Filehandle, name: string): Promise<boolean> {
    const { status } = await this.service.lookup({ what: { dir, name } }, this.ctx);
    if (status === Nfsstat3.NOENT) return false;
    assert.equal(nfsstat3Name(status), 'NFS3_OK');
    return true;
  }

  /** A new empty directory below the root, for one case alone. */
  async freshDirectory(mode = 0o755): Promise<Filehandle> {
    freshNames += 1;
    return this.mkdir(this.root, `fresh-${freshNames}`, mode);
  }

  async mkdir(dir: Filehandle, name: string, mode = 0o755): Promise<Filehandle> {
    const made = ok(
      await this.service.mkdir({ where: { dir, name }, attributes: sattr({ mode }) }, this.ctx),
    );
    return made.obj ?? this.lookup(dir, name);
  }

  /** A new file with this content, FILE_SYNC. */
  async file(dir: Filehandle, name: string, content: string, mode = 0o644): Promise<Filehandle> {
    const how = { mode: 'guarded', objAttributes: sattr({ mode }) } as const;
    const made = ok(await this.service.create({ where: { dir, name }, how }, this.ctx));
    const file = made.obj ?? (await this.lookup(dir, name));
    if (content !== '') await this.write(file, 0, content);
    return file;
  }

  async write(file: Filehandle, offset: number, content: string | Uint8Array): Promise<void> {
    const data = Buffer.from(content);
    const stable = StableHow.FILE_SYNC;
    const written = ok(
      await this.service.write(
        { file, offset, count: data.length, stable, data: [data] },
        this.ctx,
      ),
    );
    assert.equal(written.count, data.length);
  }

  /** The bytes of one READ. */
  async read(file: Filehandle, offset = 0, count = 1024 * 1024): Promise<Buffer> {
    const result = ok(await this.service.read({ file, offset, count }, this.ctx));
    const bytes = Buffer.concat(result.data);
    assert.equal(bytes.length, result.count, 'count is not the length of data');
    return bytes;
  }

  /** All bytes of a file, however short the answers are. */
  async readAll(file: Filehandle, step = 64 * 1024): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let offset = 0, eof = false; !eof;) {
      const result = ok(await this.service.read({ file, offset, count: step }, this.ctx));
      assert.ok(result.eof || result.count > 0, 'neither bytes nor the end of the file');
      parts.push(...result.data.map((part) => Buffer.from(part)));
      offset += result.count;
      ({ eof } = result);
    }
    return Buffer.concat(parts);
  }

  /** All entries by READDIR with answers of at most `count` bytes. */
  async readdir(dir: Filehandle, count = 4096): Promise<DirEntry[]> {
    const entries: DirEntry[] = [];
    for (let cookie = 0n, cookieverf = 0n, eof = false; !eof;) {
      const page = ok(await this.service.readdir({ dir, cookie, cookieverf, count }, this.ctx));
      assert.ok(page.eof || page.entries.length > 0, 'neither entries nor the end');
      entries.push(...page.entries);
      cookie = page.entries.at(-1)?.cookie ?? cookie;
      ({ cookieverf, eof } = page);
    }
    return entries;
  }

  /** All entries by READDIRPLUS with answers of at most `maxcount` bytes. */
  async readdirplus(
    dir: Filehandle,
    maxcount = 32_768,
    dircount = maxcount,
  ): Promise<DirEntryPlus[]> {
    const entries: DirEntryPlus[] = [];
    for (let cookie = 0n, cookieverf = 0n, eof = false; !eof;) {
      const page = ok(
        await this.service.readdirplus({ dir, cookie, cookieverf, dircount, maxcount }, this.ctx),
      );
      assert.ok(page.eof || page.entries.length > 0, 'neither entries nor the end');
      entries.push(...page.entries);
      cookie = page.entries.at(-1)?.cookie ?? cookie;
      ({ cookieverf, eof } = page);
    }
    return entries;
  }

  /** The names in a directory without '.' and '..', sorted. */
  async names(dir: Filehandle): Promise<string[]> {
    const names = (await this.readdir(dir)).map(({ name }) => name);
    return names.filter((name) => name !== '.' && name !== '..').sort();
  }
}
