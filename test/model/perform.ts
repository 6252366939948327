import {
  Access3,
  type Diropargs3,
  type Fattr3,
  type Filehandle,
  Ftype3,
  type Nfs3Context,
  type Nfs3Service,
  Nfsstat3,
  nfsstat3Name,
  type Sattr3,
  UNCHANGED,
  type Verf3,
  type WccAttr,
} from '@rowfs/nfs3';
import { DEVICE } from './disk-operations.ts';
import type { Operation, Place, Wanted } from './operation.ts';
import { listDirectory } from './read-back.ts';

/** What an answer says of an object besides its result: post_op_attr or wcc_data. */
export interface Claim {
  readonly object: Filehandle;
  readonly before: WccAttr | undefined;
  readonly after: Fattr3 | undefined;
}

/** What a server made of an operation. */
export interface Outcome {
  /** The name of an nfsstat3, without its prefix. */
  readonly status: string;
  readonly claims: readonly Claim[];
  /** What was made, or found. */
  readonly object?: Filehandle | undefined;
  readonly data?: Uint8Array;
  readonly isEnd?: boolean;
  readonly access?: number;
  readonly target?: string;
  readonly names?: readonly string[];
  /** Of WRITE and COMMIT. */
  readonly verf?: Verf3;
}

/** Does an operation on a service; `ctimeOf` tells what a guard is made of. */
export class Performer {
  readonly #service: Nfs3Service;
  readonly #handleOf: (object: number) => Filehandle;
  readonly #ctimeOf: (object: number) => Fattr3['ctime'];

  constructor(
    service: Nfs3Service,
    handleOf: (object: number) => Filehandle,
    ctimeOf: (object: number) => Fattr3['ctime'],
  ) {
    this.#service = service;
    this.#handleOf = handleOf;
    this.#ctimeOf = ctimeOf;
  }

  async perform(operation: Operation, ctx: Nfs3Context): Promise<Outcome> {
    const service = this.#service;
    const object = 'object' in operation ? this.#handleOf(operation.object) : this.#handleOf(0);
    const where = 'where' in operation ? this.#place(operation.where) : { dir: object, name: '' };
    const ofObject = (after: Fattr3 | undefined): Claim[] => [{ object, before: undefined, after }];
    const ofDirectory = (wcc: Wcc): Claim => ({ object: where.dir, ...wcc });
    const made = (result: Made): Outcome => ({
      ...outcome(result, [ofDirectory(result.dirWcc)]),
      object: result.obj,
      claims: [ofDirectory(result.dirWcc), ...claimsOf(result.obj, result.objAttributes)],
    });
    switch (operation.type) {
      case 'lookup': {
        const result = await service.lookup({ what: where }, ctx);
        const directory = { object: where.dir, before: undefined, after: result.dirAttributes };
        if (result.status !== Nfsstat3.OK) return outcome(result, [directory]);
        const claims = [directory, ...claimsOf(result.object, result.objAttributes)];
        return { ...outcome(result, claims), object: result.object };
      }
      case 'access': {
        const wanted = Object.values(Access3).reduce((all, bit) => all | bit, 0);
        const result = await service.access({ object, access: wanted }, ctx);
        const said = outcome(result, ofObject(result.objAttributes));
        return result.status === Nfsstat3.OK ? { ...said, access: result.access } : said;
      }
      case 'readlink': {
        const result = await service.readlink({ symlink: object }, ctx);
        const said = outcome(result, ofObject(result.symlinkAttributes));
        return result.status === Nfsstat3.OK ? { ...said, target: result.data } : said;
      }
      case 'read': {
        const { offset, count } = operation;
        const result = await service.read({ file: object, offset, count }, ctx);
        const said = outcome(result, ofObject(result.fileAttributes));
        if (result.status !== Nfsstat3.OK) return said;
        return { ...said, data: Buffer.concat(result.data), isEnd: result.eof };
      }
      case 'write': {
        const { offset, length: count, fill, stable } = operation;
        const data = [Buffer.alloc(count, fill)];
        const result = await service.write({ file: object, offset, count, stable, data }, ctx);
        const said = outcome(result, [{ object, ...result.fileWcc }]);
        return result.status === Nfsstat3.OK ? { ...said, verf: result.verf } : said;
      }
      case 'commit': {
        const result = await service.commit({ file: object, offset: 0, count: 0 }, ctx);
        const said = outcome(result, [{ object, ...result.fileWcc }]);
        return result.status === Nfsstat3.OK ? { ...said, verf: result.verf } : said;
      }
      case 'create': {
        const { how: mode, size, gid } = operation;
        const objAttributes = { ...UNCHANGED, mode: operation.mode, size, gid };
        return made(await service.create({ where, how: { mode, objAttributes } }, ctx));
      }
      case 'create exclusive': {
        const how = { mode: 'exclusive', verf: BigInt(operation.verf) } as const;
        return made(await service.create({ where, how }, ctx));
      }
      case 'mkdir': {
        const attributes = { ...UNCHANGED, mode: operation.mode };
        return made(await service.mkdir({ where, attributes }, ctx));
      }
      case 'symlink': {
        const args = { symlinkAttributes: UNCHANGED, symlinkData: operation.target };
        return made(await service.symlink({ where, ...args }, ctx));
      }
      case 'mknod': {
        const attributes = { ...UNCHANGED, mode: operation.mode };
        const spec = { specdata1: DEVICE.major, specdata2: DEVICE.minor };
        const what = {
          fifo: { type: Ftype3.FIFO, attributes },
          socket: { type: Ftype3.SOCK, attributes },
          'character device': { type: Ftype3.CHR, attributes, spec },
          'block device': { type: Ftype3.BLK, attributes, spec },
        } as const;
        return made(await service.mknod({ where, what: what[operation.kind] }, ctx));
      }
      case 'remove':
      case 'rmdir': {
        const result = await service[operation.type]({ object: where }, ctx);
        return outcome(result, [ofDirectory(result.dirWcc)]);
      }
      case 'rename': {
        const to = this.#place(operation.to);
        const result = await service.rename({ from: where, to }, ctx);
        const { fromdirWcc, todirWcc } = result;
        return outcome(result, [ofDirectory(fromdirWcc), { object: to.dir, ...todirWcc }]);
      }
      case 'link': {
        const result = await service.link({ file: object, link: where }, ctx);
        const { fileAttributes, linkdirWcc } = result;
        return outcome(result, [...ofObject(fileAttributes), ofDirectory(linkdirWcc)]);
      }
      case 'setattr': {
        const newAttributes = attributesOf(operation.wanted);
        const guard = this.#guardOf(operation);
        const result = await service.setattr({ object, newAttributes, guard }, ctx);
        return outcome(result, [{ object, ...result.objWcc }]);
      }
      case 'list': {
        const { plus, pageBytes } = operation;
        const listed = await listDirectory(service, object, { plus, pageBytes }, ctx);
        if (typeof listed === 'number') return outcome({ status: listed }, []);
        const names = listed.map(({ name }) => name);
        return { status: 'OK', claims: [], names: names.filter(isProper).sort() };
      }
      case 'about the file system': {
        const result =
          operation.procedure === 'pathconf'
            ? await service.pathconf({ object }, ctx)
            : await service[operation.procedure]({ fsroot: object }, ctx);
        return outcome(result, ofObject(result.objAttributes));
      }
    }
  }

  #place({ dir, name }: Place): Diropargs3 {
    return { dir: this.#handleOf(dir), name };
  }

  #guardOf({
    object,
    guard,
  }: Extract<Operation, { type: 'setattr' }>): Fattr3['ctime'] | undefined {
    if (guard === 'none') return undefined;
    const ctime = this.#ctimeOf(object);
    return guard === 'right' ? ctime : { ...ctime, seconds: ctime.seconds - 1 };
  }
}

interface Wcc {
  readonly before: WccAttr | undefined;
  readonly after: Fattr3 | undefined;
}

interface Made {
  readonly status: Nfsstat3;
  readonly obj?: Filehandle | undefined;
  readonly objAttributes?: Fattr3 | undefined;
  readonly dirWcc: Wcc;
}

function isProper(name: string): boolean {
  return name !== '.' && name !== '..';
}

function outcome({ status }: { readonly status: Nfsstat3 }, claims: readonly Claim[]): Outcome {
  return { status: nfsstat3Name(status).replace(/^NFS3(ERR)?_/, ''), claims };
}

function claimsOf(object: Filehandle | undefined, after: Fattr3 | undefined): Claim[] {
  return object === undefined ? [] : [{ object, before: undefined, after }];
}

function attributesOf({ times, ...wanted }: Wanted): Sattr3 {
  const at = (seconds: number): { seconds: number; nseconds: number } => ({ seconds, nseconds: 0 });
  const set =
    times === undefined
      ? {}
      : times === 'server-time'
        ? { atime: times, mtime: times }
        : { atime: at(times.atime), mtime: at(times.mtime) };
  return { ...UNCHANGED, ...wanted, ...set };
}
