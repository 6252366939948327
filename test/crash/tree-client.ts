import {
  type Createhow3,
  type CreateResult,
  type Fattr3,
  type Filehandle,
  Ftype3,
  listDirectory,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  nfsstat3Name,
  pathNames,
  type Sattr3,
  UNCHANGED,
  walk,
} from '@rowfs/nfs3';
import {
  createVerifier,
  DIRECTORY_MODE,
  FILE_MODE,
  nameOf,
  type Operation,
  parentOf,
  type SeenObject,
  type SeenTree,
} from './operation.ts';

const READ_BYTES = 1024 * 1024;
const TYPES = new Map<Ftype3, SeenObject['type']>([
  [Ftype3.REG, 'file'],
  [Ftype3.DIR, 'directory'],
  [Ftype3.LNK, 'symlink'],
  [Ftype3.FIFO, 'fifo'],
]);

export const asRoot: Nfs3Context = {
  credential: { flavor: 'sys', stamp: 0, machinename: 'crash', uid: 0, gid: 0, gids: [] },
  signal: new AbortController().signal,
  peer: { address: '127.0.0.1', port: 700 },
};

/** The only client of one directory of a service: changes it, and reads it whole. */
export class TreeClient {
  readonly #service: Nfs3Service;
  readonly #root: Filehandle;

  constructor(service: Nfs3Service, root: Filehandle) {
    this.#service = service;
    this.#root = root;
  }

  /**
   * Does an operation that must succeed.
   *
   * @param requestKey what its call is known by when it is sent again, after a crash perhaps.
   * @returns the handle of the object at the operation's path in hex, where it is known.
   */
  async perform(operation: Operation, requestKey?: string): Promise<string | undefined> {
    const service = this.#service;
    const ctx = requestKey === undefined ? asRoot : { ...asRoot, duplicateRequestKey: requestKey };
    const { path } = operation;
    const where = { dir: await this.#handle(parentOf(path)), name: nameOf(path) };
    switch (operation.kind) {
      case 'create': {
        const objAttributes = { ...UNCHANGED, mode: FILE_MODE };
        const how: Createhow3 =
          operation.how === 'exclusive'
            ? { mode: 'exclusive', verf: createVerifier(path) }
            : { mode: operation.how, objAttributes };
        return hex(ok(operation, await service.create({ where, how }, ctx)).obj);
      }
      case 'mkdir': {
        const attributes = { ...UNCHANGED, mode: DIRECTORY_MODE };
        return hex(ok(operation, await service.mkdir({ where, attributes }, ctx)).obj);
      }
      case 'symlink': {
        const { target: symlinkData } = operation;
        const args = { where, symlinkAttributes: UNCHANGED, symlinkData };
        return hex(ok(operation, await service.symlink(args, ctx)).obj);
      }
      case 'fifo': {
        const attributes = { ...UNCHANGED, mode: FILE_MODE };
        const what = { type: Ftype3.FIFO, attributes } as const;
        return hex(ok(operation, await service.mknod({ where, what }, ctx)).obj);
      }
      case 'link': {
        const file = await this.#handle(operation.from);
        ok(operation, await service.link({ file, link: where }, ctx));
        return hex(file);
      }
      case 'rename': {
        const from = {
          dir: await this.#handle(parentOf(operation.from)),
          name: nameOf(operation.from),
        };
        // Sent again, it may have been moved already.
        const moved = await service.lookup({ what: from }, asRoot);
        ok(operation, await service.rename({ from, to: where }, ctx));
        return moved.status === Nfsstat3.OK ? hex(moved.object) : undefined;
      }
      case 'remove':
        ok(operation, await service.remove({ object: where }, ctx));
        return undefined;
      case 'rmdir':
        ok(operation, await service.rmdir({ object: where }, ctx));
        return undefined;
      case 'empty': {
        const how = { mode: 'unchecked', objAttributes: { ...UNCHANGED, size: 0 } } as const;
        return hex(ok(operation, await service.create({ where, how }, ctx)).obj);
      }
      case 'chmod':
      case 'utimes':
      case 'truncate':
      case 'write':
      case 'commit':
        return this.#changeObject(operation, ctx);
    }
  }

  async #changeObject(
    operation: Extract<Operation, { kind: 'chmod' | 'utimes' | 'truncate' | 'write' | 'commit' }>,
    ctx: Nfs3Context,
  ): Promise<string | undefined> {
    const service = this.#service;
    const object = await this.#handle(operation.path);
    if (operation.kind === 'commit') {
      ok(operation, await service.commit({ file: object, offset: 0, count: 0 }, ctx));
    } else if (operation.kind === 'write') {
      const { offset, length: count, fill, stable } = operation;
      const data = [Buffer.alloc(count, fill)];
      ok(operation, await service.write({ file: object, offset, count, stable, data }, ctx));
    } else {
      const newAttributes = { ...UNCHANGED, ...attributesOf(operation) };
      ok(operation, await service.setattr({ object, newAttributes, guard: undefined }, ctx));
    }
    return hex(object);
  }

  get rootHandle(): string {
    return Buffer.from(this.#root).toString('hex');
  }

  /** Whether a file that an exclusive CREATE made answers to the same CREATE again, and to no other. */
  async isExclusivelyMade(path: string): Promise<boolean> {
    const where = { dir: await this.#handle(parentOf(path)), name: nameOf(path) };
    const create = (verf: bigint): Promise<CreateResult> =>
      this.#service.create({ where, how: { mode: 'exclusive', verf } }, asRoot);
    const again = await create(createVerifier(path));
    const other = await create(createVerifier(path) + 1n);
    return again.status === Nfsstat3.OK && other.status === Nfsstat3.EXIST;
  }

  /** Everything below the root, contents included. */
  async readTree(): Promise<SeenTree> {
    const tree: Record<string, SeenObject> = {};
    await this.#readDirectory(this.#root, '', tree);
    return tree;
  }

  async #readDirectory(
    dir: Filehandle,
    prefix: string,
    tree: Record<string, SeenObject>,
  ): Promise<void> {
    for await (const { name } of listDirectory(this.#service, dir, asRoot)) {
      const path = prefix + name;
      const found = ok(path, await this.#service.lookup({ what: { dir, name } }, asRoot));
      const got = ok(path, await this.#service.getattr({ object: found.object }, asRoot));
      const { attributes } = got;
      const type = TYPES.get(attributes.type);
      if (type === undefined) throw new Error(`${path} is of a type that was never made`);
      const { nlink, mtime } = attributes;
      const content = await this.#contentOf(found.object, attributes);
      const mode = attributes.mode & 0o7777;
      const handle = hex(found.object) ?? '';
      tree[path] = { type, mode, nlink, mtime: mtime.seconds, handle, content };
      if (type === 'directory') await this.#readDirectory(found.object, `${path}/`, tree);
    }
  }

  async #contentOf(object: Filehandle, { type, size }: Fattr3): Promise<string> {
    if (type === Ftype3.LNK) {
      return ok('a link', await this.#service.readlink({ symlink: object }, asRoot)).data;
    }
    if (type !== Ftype3.REG) return '';
    const args = { file: object, offset: 0, count: READ_BYTES };
    const { data } = ok('a file', await this.#service.read(args, asRoot));
    const bytes = Buffer.concat(data);
    if (bytes.length !== size) throw new Error(`${bytes.length} bytes read of a file of ${size}`);
    return bytes.toString('base64');
  }

  async #handle(path: string): Promise<Filehandle> {
    return ok(path, await walk(this.#service, this.#root, pathNames(path), asRoot)).object;
  }
}

function attributesOf(
  operation: Extract<Operation, { kind: 'chmod' | 'utimes' | 'truncate' }>,
): Partial<Sattr3> {
  switch (operation.kind) {
    case 'chmod':
      return { mode: operation.mode };
    case 'utimes':
      return { mtime: { seconds: operation.mtime, nseconds: 0 } };
    case 'truncate':
      return { size: operation.size };
  }
}

function ok<R extends { readonly status: number }>(
  doing: unknown,
  result: R,
): Extract<R, { readonly status: typeof Nfsstat3.OK }> {
  if (result.status !== Nfsstat3.OK) {
    throw new Error(`${nfsstat3Name(result.status)} for ${JSON.stringify(doing)}`);
  }
  return result as Extract<R, { readonly status: typeof Nfsstat3.OK }>;
}

function hex(handle: Filehandle | undefined): string | undefined {
  return handle === undefined ? undefined : Buffer.from(handle).toString('hex');
}
